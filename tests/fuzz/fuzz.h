/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets share: input in a block of exactly its size, so that a sanitizer sees the
 * first byte read beyond it, and criticals that end the process.
 */
#ifndef G4_TESTS_FUZZ_H
#define G4_TESTS_FUZZ_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Free with g_free. */
static inline char *fuzz_copy(const uint8_t *data, size_t size)
{
    return size > 0 ? g_memdup2(data, size) : g_malloc(1);
}

#define FUZZ_INITIALIZE                                                                            \
    int LLVMFuzzerInitialize(int *argc, char ***argv)                                              \
    {                                                                                              \
        g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING | G_LOG_FATAL_MASK);     \
        return 0;                                                                                  \
    }

/* An error that says something, exactly where there is no result. */
static inline void fuzz_check_error(gboolean ok, const GError *error)
{
    g_assert_true(ok == (error == NULL));
    if (error != NULL) {
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        g_assert_true(*error->message != '\0');
    }
}

#endif /* G4_TESTS_FUZZ_H */
