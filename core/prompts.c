/* SPDX-License-Identifier: Apache-2.0
 *
 * config_sentence_transformers.json.
 */
#include "prompts.h"

#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "gemma4.h"
#include "json.h"

#define PROMPTS_FILE "config_sentence_transformers.json"
#define MAX_FILE ((gsize)1 << 20)
#define MAX_VALUES ((gsize)1 << 14)

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean read_prompts(const G4JsonObject *root, G4Prompts *prompts, GError **error)
{
    G4JsonObject object;
    const char *name;
    json_t *value;
    guint n = 0;

    if (!g4_json_read_object(root, "prompts", &object, error))
        return FALSE;
    prompts->names = g_new0(char *, json_object_size(object.object) + 1);
    prompts->texts = g_new0(char *, json_object_size(object.object) + 1);
    json_object_foreach(object.object, name, value)
    {
        if (!json_is_string(value))
            return g4_json_fail(&object, name, G4_ERROR_MALFORMED, error, "a string");
        prompts->names[n++] = g_strdup(name);
    }
    qsort(prompts->names, n, sizeof *prompts->names, compare_names);
    for (guint i = 0; i < n; i++)
        prompts->texts[i] =
            g_strdup(json_string_value(json_object_get(object.object, prompts->names[i])));
    return TRUE;
}

gboolean g4_prompts_read(const char *folder, G4Prompts *prompts, GError **error)
{
    g_autofree char *path = g_build_filename(folder, PROMPTS_FILE, NULL);
    g_autofree char *file = g_filename_display_name(path);
    g_autofree char *text = NULL;
    g_autoptr(json_t) root = NULL;
    g_autoptr(GError) problem = NULL;
    gsize length;
    G4JsonObject object = {0};

    *prompts = (G4Prompts){0};
    if (g4_file_load(path, MAX_FILE, &text, &length, &problem))
        root = g4_json_parse(file, text, length, MAX_VALUES, &problem);
    if (!root && !g_error_matches(problem, G4_ERROR, G4_ERROR_MISSING)) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return FALSE;
    }
    g4_json_object_init(&object, root, file);
    if (!read_prompts(&object, prompts, error)) {
        g4_prompts_clear(prompts);
        return FALSE;
    }
    return TRUE;
}

void g4_prompts_clear(G4Prompts *prompts)
{
    g_strfreev(prompts->names);
    g_strfreev(prompts->texts);
    *prompts = (G4Prompts){0};
}

const char *g4_prompts_find(const G4Prompts *prompts, const char *name)
{
    for (guint i = 0; prompts->names[i]; i++)
        if (strcmp(prompts->names[i], name) == 0)
            return prompts->texts[i];
    return NULL;
}
