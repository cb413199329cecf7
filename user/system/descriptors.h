/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* descriptors - how many files this process may have open, and which. */
#ifndef SYSTEM_DESCRIPTORS_H
#define SYSTEM_DESCRIPTORS_H

/* As many as it may allow itself: attachments take one or two each. */
void descriptors_raise_limit(void);

/* Close all but these, -1 among them ignored, and the three standard ones. */
void descriptors_close_all_but(const int kept[], int count);

#endif /* SYSTEM_DESCRIPTORS_H */
