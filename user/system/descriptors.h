/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* descriptors - the number of files that this process may have open, and the open files. */
#ifndef SYSTEM_DESCRIPTORS_H
#define SYSTEM_DESCRIPTORS_H

/* Raise the limit as far as allowed: attachments take one or two each. */
void descriptors_raise_limit(void);

/* Close all except these, -1 ignored, and the three standard descriptors. */
void descriptors_close_all_but(const int kept[], int count);

#endif /* SYSTEM_DESCRIPTORS_H */
