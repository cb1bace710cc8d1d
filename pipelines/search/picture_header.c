/* SPDX-License-Identifier: Apache-2.0
 *
 * Offsets are those of the formats: ITU-T T.81 (JPEG), the PNG, GIF89a and WebP container
 * specifications, and BITMAPINFOHEADER.
 */
#include "picture_header.h"

#include <stdlib.h>
#include <string.h>

#define LEAST 33 /* bytes of the shortest header below: up to the end of a PNG's IHDR */

static guint32 big_endian(const guint8 *bytes, guint n)
{
    guint32 value = 0;

    for (guint i = 0; i < n; i++)
        value = value << 8 | bytes[i];
    return value;
}

static guint32 little_endian(const guint8 *bytes, guint n)
{
    guint32 value = 0;

    while (n-- > 0)
        value = value << 8 | bytes[n];
    return value;
}

/* The frame header is the first segment of the kinds SOF0 to SOF15, behind those whose lengths say
 * where the next one begins. */
static gboolean parse_jpeg(const guint8 *bytes, gsize size, PictureHeader *header)
{
    gsize at = 2;

    while (at < size) {
        while (at < size && bytes[at] != 0xff)
            at++;
        while (at < size && bytes[at] == 0xff)
            at++;
        if (at >= size || size - at < 8)
            return FALSE;
        guint8 marker = bytes[at++];
        if (marker == 0 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8))
            continue; /* nothing follows these */
        if (marker == 0xd9 || marker == 0xda) /* the end, or a scan of what frame? */
            return FALSE;
        /* All of 0xc0 to 0xcf but tables (DHT, DAC) and JPG. */
        if ((marker & 0xf0) == 0xc0 && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
            header->height = big_endian(bytes + at + 3, 2);
            header->width = big_endian(bytes + at + 5, 2);
            return TRUE;
        }
        at += big_endian(bytes + at, 2);
    }
    return FALSE;
}

static gboolean parse_png(const guint8 *bytes, gsize size, PictureHeader *header)
{
    header->width = big_endian(bytes + 16, 4);
    header->height = big_endian(bytes + 20, 4);
    return memcmp(bytes + 12, "IHDR", 4) == 0;
}

/* Lossy, lossless, or what announces more than a picture. */
static gboolean parse_webp(const guint8 *bytes, gsize size, PictureHeader *header)
{
    if (memcmp(bytes + 8, "WEBP", 4) != 0)
        return FALSE;
    if (memcmp(bytes + 12, "VP8 ", 4) == 0) {
        header->width = little_endian(bytes + 26, 2) & 0x3fff;
        header->height = little_endian(bytes + 28, 2) & 0x3fff;
        return TRUE;
    }
    if (memcmp(bytes + 12, "VP8L", 4) == 0) {
        guint32 bits = little_endian(bytes + 21, 4);
        header->width = (bits & 0x3fff) + 1;
        header->height = (bits >> 14 & 0x3fff) + 1;
        return TRUE;
    }
    header->width = little_endian(bytes + 24, 3) + 1;
    header->height = little_endian(bytes + 27, 3) + 1;
    return memcmp(bytes + 12, "VP8X", 4) == 0;
}

static gboolean parse_gif(const guint8 *bytes, gsize size, PictureHeader *header)
{
    header->width = little_endian(bytes + 6, 2);
    header->height = little_endian(bytes + 8, 2);
    return TRUE;
}

/* With OS/2's header of 12 bytes, or Windows' longer ones, whose height is negative top down. */
static gboolean parse_bmp(const guint8 *bytes, gsize size, PictureHeader *header)
{
    gboolean old = little_endian(bytes + 14, 4) == 12;
    gint32 height = (gint32)little_endian(bytes + 22, 4);

    header->width = little_endian(bytes + 18, old ? 2 : 4);
    header->height = old          ? little_endian(bytes + 20, 2)
                     : height < 0 ? (guint32) - (gint64)height
                                  : (guint32)height;
    return TRUE;
}

gboolean picture_header_parse(const guint8 *bytes, gsize size, PictureHeader *header)
{
    static const struct {
        const char *magic;
        gsize length;
        const char *caps, *decoder;
        gboolean (*parse)(const guint8 *bytes, gsize size, PictureHeader *header);
    } kinds[] = {
        {"\xff\xd8\xff", 3, "image/jpeg", "jpegparse ! jpegdec name=decoder", parse_jpeg},
        {"\x89PNG\r\n\x1a\n", 8, "image/png", "pngparse ! pngdec name=decoder", parse_png},
        {"RIFF", 4, "image/webp", "webpdec name=decoder", parse_webp},
        {"GIF8", 4, "image/gif", "avdec_gif name=decoder", parse_gif},
        {"BM", 2, "image/bmp", "avdec_bmp name=decoder", parse_bmp},
    };

    for (guint i = 0; size >= LEAST && i < G_N_ELEMENTS(kinds); i++) {
        if (memcmp(bytes, kinds[i].magic, kinds[i].length) != 0)
            continue;
        *header = (PictureHeader){.caps = kinds[i].caps, .decoder = kinds[i].decoder};
        return kinds[i].parse(bytes, size, header) && header->width > 0 && header->height > 0;
    }
    return FALSE;
}
