/* SPDX-License-Identifier: Apache-2.0
 *
 * How gemma4.h is used: how well each sentence says what is in a picture.
 *
 *   gemma4-example MODEL PICTURE.ppm [SENTENCE]...
 *   cc example.c $(pkg-config --cflags --libs gemma4) -o gemma4-example
 *
 * MODEL is an EmbeddingGemma 2 checkpoint; without a sentence any Gemma 4 checkpoint will do, and
 * the size of what its encoder makes of the picture is printed. The picture is a binary PPM.
 */
#include <gemma4.h>
#include <stdio.h>
#include <string.h>

/* The size of a picture and where in the file its pixels begin; NULL where it is no PPM. */
static const guint8 *find_pixels(const char *file, gsize length, guint *width, guint *height)
{
    int start = 0;

    if (sscanf(file, "P6 %u %u 255%n", width, height, &start) != 2 || start == 0)
        return NULL;
    const guint64 size = 3 * (guint64)*width * *height;
    if (*width > 65535 || *height > 65535 || length < (gsize)start + 1 + size)
        return NULL;
    return (const guint8 *)file + start + 1;
}

/* The picture's soft tokens, [rows, cols]; free with g_free. */
static float *encode_picture(G4Model *model, const char *path, guint *rows, GError **error)
{
    g_autofree char *file = NULL;
    gsize length;
    G4Frame frame = {.format = G4_PIXELS_RGB};

    if (!g_file_get_contents(path, &file, &length, error))
        return NULL;
    frame.data = find_pixels(file, length, &frame.width, &frame.height);
    if (!frame.data) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: not a binary PPM of 8 bits",
                    path);
        return NULL;
    }
    frame.stride = (gsize)frame.width * 3;

    g_autoptr(G4Encoder) encoder = g4_encoder_new(model, NULL, error);
    if (!encoder || !g4_encoder_prepare(encoder, frame.width, frame.height, error))
        return NULL;
    *rows = g4_encoder_get_rows(encoder);
    float *tokens = g_new(float, (gsize)*rows *g4_encoder_get_cols(encoder));
    g4_encoder_load(encoder, &frame);
    g4_encoder_encode(encoder, tokens);
    return tokens;
}

/* Prints each sentence's cosine with the picture, both as vectors of length 1. */
static gboolean compare(const char *path, const G4Part *picture, char **sentences, GError **error)
{
    g_autoptr(G4TextModel) model = g4_text_model_open(path, NULL, error);
    if (!model)
        return FALSE;
    g_autoptr(G4TextEncoder) encoder = g4_text_encoder_new(model, NULL, error);
    if (!encoder)
        return FALSE;
    const guint n = g4_text_encoder_get_cols(encoder);
    const char *prompt = g4_text_model_get_prompt(model, "query");
    g_autofree float *image = g_new(float, n), *text = g_new(float, n);

    if (!g4_text_encoder_embed(encoder, NULL, picture, 1, TRUE, image, error))
        return FALSE;
    for (; *sentences; sentences++) {
        const G4Part part = {.kind = G4_PART_TEXT, .text = *sentences, .length = -1};
        double cosine = 0.0;
        if (!g4_text_encoder_embed(encoder, prompt, &part, 1, TRUE, text, error))
            return FALSE;
        for (guint i = 0; i < n; i++)
            cosine += (double)image[i] * text[i];
        printf("%.4f %s\n", cosine, *sentences);
    }
    return TRUE;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(G4Model) model = NULL;
    g_autofree float *tokens = NULL;
    G4Part picture = {.kind = G4_PART_IMAGE};

    if (argc < 3) {
        fprintf(stderr, "usage: gemma4-example MODEL PICTURE.ppm [SENTENCE]...\n");
        return 2;
    }
    if ((model = g4_model_open(argv[1], NULL, &error)) &&
        (tokens = encode_picture(model, argv[2], &picture.rows, &error))) {
        picture.tokens = tokens;
        if (argc == 3)
            printf("%u x %u\n", picture.rows, g4_model_get_cols(model));
        else
            compare(argv[1], &picture, argv + 3, &error);
    }
    if (error)
        fprintf(stderr, "gemma4-example: %s\n", error->message);
    return error ? 1 : 0;
}
