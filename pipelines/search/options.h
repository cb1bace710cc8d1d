/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of gemma4-search. Each command is one function of its own file that gets what
 * all of them take, parsed, and the rest of the arguments.
 */
#ifndef SEARCH_OPTIONS_H
#define SEARCH_OPTIONS_H

#include "embedder.h"
#include "store.h"

/* What all commands take. */
typedef struct {
    char *db, *model, *precision_name, *prompt;
    G4Precision precision;
    int threads, max_soft_tokens;
} Options;

enum {
    EXIT_FINE = 0,
    EXIT_SOME_FAILED = 1,
    EXIT_USAGE = 2,
};

/* A command: `argv` without the program's name and with that of the command first. */
typedef int (*Command)(Options *options, int argc, char **argv);

int index_command(Options *options, int argc, char **argv);
int query_command(Options *options, int argc, char **argv);
int similar_command(Options *options, int argc, char **argv);
int timeline_command(Options *options, int argc, char **argv);
int serve_command(Options *options, int argc, char **argv);
int remove_command(Options *options, int argc, char **argv);
int embed_command(Options *options, int argc, char **argv);
int info_command(Options *options, int argc, char **argv);

/* Parses the common options and `entries`; the arguments left must number from `least` to `most`.
 * FALSE after a message: the command returns EXIT_USAGE. `needs_db`: --db must be given. */
gboolean options_parse(Options *options, const GOptionEntry *entries, const char *usage, int *argc,
                       char ***argv, int least, int most, gboolean needs_db);

/* Prints "gemma4-search: MESSAGE" and frees the error. Returns EXIT_SOME_FAILED. */
int options_fail(GError *error);

/* An embedder of --model, or of the checkpoint that made the index, with the index's budget for
 * pictures; what it opens must have the index's digests. `model` may be NULL. NULL and `error`
 * where neither names one. */
Embedder *options_embedder(const Options *options, const StoreModel *model, GError **error);

#endif /* SEARCH_OPTIONS_H */
