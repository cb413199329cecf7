/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * openssl_causes - the places where OpenSSL 1.1.1 and 3.x report the cause of a failed handshake and their judgement of
 * the peer's certificates, on x86-64. Only exported functions and the code itself are needed; a file of any other form
 * has no such probes.
 *
 * - ossl_statem_fatal(SSL *, alert, reason, ...) is called for every fatal error of a handshake, including a received
 *   alert (reason 1000 + alert). The function is not exported. It alone passes its reason to ERR_vset_error() (3.x) or
 *   ERR_put_error() (1.1.1) in this way. The probe stands at its first instruction and is never hit while nothing
 *   fails.
 * - ssl_verify_cert_chain() asks X509_STORE_CTX_get_error() for the verdict on the peer's chain and keeps the verdict
 *   in SSL.verify_result. Another call concerns the program's own chain; its result is not stored in an SSL. The probe
 *   stands at the call, which the kernel emulates. The result is stored through the register with the SSL.
 * - The randoms of both hellos, the verify result and the role are in the SSL or in its targets. Their offsets are read
 *   from the exported functions that return them: SSL_get_client_random(), SSL_get_server_random(),
 *   SSL_get_verify_result(), SSL_is_server().
 */
#ifndef LIBRARY_OPENSSL_CAUSES_H
#define LIBRARY_OPENSSL_CAUSES_H

#include "library/points.h"

/* Add the probes and fill elf->layout; adds none if the file is of no form known. */
void openssl_causes_add(struct elf_image *image, struct library_elf *elf);

/* Where X509_STORE_CTX_get_error() of this file (libcrypto, or a program) finds the error. 0: not known. */
uint32_t openssl_causes_error_offset(struct elf_image *image);

#endif /* LIBRARY_OPENSSL_CAUSES_H */
