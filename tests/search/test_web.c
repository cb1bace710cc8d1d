/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of gemma4-search serve: what is asked of it by whom, and what comes with it.
 */
#include "filmserver.h"
#include "guard.h"
#include "picture_header.h"

#include <string.h>

static void ranges_are_read(void)
{
    static const struct {
        const char *header;
        gint64 size;
        gboolean part, satisfiable;
        gint64 first, last;
    } cases[] = {
        {NULL, 10, FALSE, TRUE, 0, 0},
        {"bytes=0-0", 10, TRUE, TRUE, 0, 0},
        {"BYTES=2-5", 10, TRUE, TRUE, 2, 5},
        {"bytes=3-", 10, TRUE, TRUE, 3, 9},
        {"bytes=-4", 10, TRUE, TRUE, 6, 9},
        {"bytes=-40", 10, TRUE, TRUE, 0, 9},
        {"bytes=4-99999999999999999999999", 10, TRUE, TRUE, 4, 9},
        {"bytes=1-2,5-6", 10, TRUE, TRUE, 1, 2}, /* the first of several */
        {"bytes=1-2 , 5-6", 10, TRUE, TRUE, 1, 2},
        {"bytes=10-", 10, FALSE, FALSE, 0, 0},
        {"bytes=99999999999999999999999-", 10, FALSE, FALSE, 0, 0},
        {"bytes=-0", 10, FALSE, FALSE, 0, 0},
        {"bytes=0-", 0, FALSE, FALSE, 0, 0},
        {"bytes=-1", 0, FALSE, FALSE, 0, 0},
        /* What is no range is as if it were not there. */
        {"bytes=5-2", 10, FALSE, TRUE, 0, 0},
        {"bytes=", 10, FALSE, TRUE, 0, 0},
        {"bytes=-", 10, FALSE, TRUE, 0, 0},
        {"bytes=--1", 10, FALSE, TRUE, 0, 0},
        {"bytes=+1-2", 10, FALSE, TRUE, 0, 0},
        {"bytes=1-2x", 10, FALSE, TRUE, 0, 0},
        {"lines=1-2", 10, FALSE, TRUE, 0, 0},
        {"", 10, FALSE, TRUE, 0, 0},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 first = -1, last = -1;
        gboolean satisfiable;
        gboolean part =
            film_parse_range(cases[i].header, cases[i].size, &first, &last, &satisfiable);
        g_test_message("%s of %d", cases[i].header ? cases[i].header : "none",
                       (int)cases[i].size);
        g_assert_cmpint(part, ==, cases[i].part);
        g_assert_cmpint(satisfiable, ==, cases[i].satisfiable);
        if (part) {
            g_assert_cmpint(first, ==, cases[i].first);
            g_assert_cmpint(last, ==, cases[i].last);
        }
    }
}

static void hosts_are_known(void)
{
    static const char *const names[] = {"nas.example", NULL};
    static const struct {
        const char *host;
        gboolean local, open; /* for a server of the loopback, and of all addresses */
    } cases[] = {
        {"localhost", TRUE, TRUE},
        {"LocalHost:8080", TRUE, TRUE},
        {"127.0.0.1:8080", TRUE, TRUE},
        {"127.0.0.2", TRUE, TRUE},
        {"[::1]", TRUE, TRUE},
        {"[::1]:8080", TRUE, TRUE},
        {"NAS.example:80", TRUE, TRUE},
        {"192.168.1.5:8080", FALSE, TRUE},
        {"[fe80::1]:8080", FALSE, TRUE},
        /* Names that somebody else may have resolve to this machine. */
        {"elsewhere.example", FALSE, FALSE},
        {"elsewhere.example:8080", FALSE, FALSE},
        {"localhost.elsewhere.example", FALSE, FALSE},
        {"127.0.0.1.elsewhere.example", FALSE, FALSE},
        {"127.0.0.1@elsewhere.example", FALSE, FALSE},
        {"elsewhere.example@127.0.0.1", FALSE, FALSE},
        {"[::1", FALSE, FALSE},
        {"[", FALSE, FALSE},
        {":8080", FALSE, FALSE},
        {"", FALSE, FALSE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("\"%s\"", cases[i].host);
        g_assert_cmpint(guard_knows_host(cases[i].host, TRUE, names), ==, cases[i].local);
        g_assert_cmpint(guard_knows_host(cases[i].host, FALSE, names), ==, cases[i].open);
    }
    g_assert_false(guard_knows_host("nas.example", FALSE, NULL));
    g_assert_true(guard_knows_host(g_get_host_name(), FALSE, NULL));
}

typedef struct {
    const char *bytes;
    gsize size;
    const char *caps; /* NULL: none of ours */
    guint32 width, height;
} Case;

#define BYTES(text) text, sizeof(text) - 1
#define REST "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static const Case pictures[] = {
    {BYTES("\xff\xd8\xff\xe0\0\x04JF\xff\xc0\0\x11\x08\x01\x02\x03\x04\x03" REST), "image/jpeg",
     0x304, 0x102},
    /* Filled up, behind a table, progressive. */
    {BYTES("\xff\xd8\xff\xff\xdb\0\x03q\xff\xff\xc2\0\x11\x08\xff\xdc\xff\xdb\x03" REST),
     "image/jpeg", 0xffdb, 0xffdc},
    {BYTES("\xff\xd8\xff\xda\0\x04xx\xff\xc0\0\x11\x08\x01\x02\x03\x04\x03" REST), NULL, 0, 0},
    {BYTES("\xff\xd8\xff\xe0\xff\xff" REST), NULL, 0, 0},
    {BYTES("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\1\0\2\0\0\0\3" REST), "image/png", 0x10002, 3},
    {BYTES("\x89PNG\r\n\x1a\n\0\0\0\x0dtEXt\0\1\0\2\0\0\0\3" REST), NULL, 0, 0},
    {BYTES("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\0\0\0\0\3" REST), NULL, 0, 0},
    {BYTES("RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\1\x2a\x40\x41\x20\x42" REST), "image/webp",
     0x140, 0x220},
    {BYTES("RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x3f\xc1\x18\0" REST), "image/webp", 0x140, 0x64},
    {BYTES("RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\xff\xff\xff\2\0\0" REST), "image/webp",
     0x1000000, 3},
    {BYTES("RIFF\0\0\0\0WAVEfmt " REST), NULL, 0, 0},
    {BYTES("GIF89a\2\1\4\3" REST), "image/gif", 0x102, 0x304},
    {BYTES("BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0\2\1\0\0\xfe\xff\xff\xff" REST), "image/bmp",
     0x102, 2},
    {BYTES("BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0\2\1\0\0\0\0\0\x80" REST), "image/bmp", 0x102,
     0x80000000},
    {BYTES("BM\0\0\0\0\0\0\0\0\0\0\0\0\x0c\0\0\0\2\1\4\3" REST), "image/bmp", 0x102, 0x304},
    {BYTES("#!/bin/sh" REST), NULL, 0, 0},
};

static void picture_headers_are_read(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(pictures); i++) {
        PictureHeader header;
        const Case *c = &pictures[i];
        gboolean ok = picture_header_parse((const guint8 *)c->bytes, c->size, &header);

        g_test_message("picture %u", i);
        g_assert_cmpint(ok, ==, c->caps != NULL);
        if (ok) {
            g_assert_cmpstr(header.caps, ==, c->caps);
            g_assert_cmpuint(header.width, ==, c->width);
            g_assert_cmpuint(header.height, ==, c->height);
        }
    }
}

/* In a buffer of the exact size, where the address sanitizer sees a byte too many. */
static void cut_picture_headers_are_refused(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(pictures); i++) {
        for (gsize size = 0; size <= pictures[i].size; size++) {
            g_autofree guint8 *bytes = g_memdup2(pictures[i].bytes, size);
            PictureHeader header;
            gboolean ok = picture_header_parse(bytes, size, &header);
            g_assert_true(!ok || (pictures[i].caps && size >= 33));
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/web/ranges-are-read", ranges_are_read);
    g_test_add_func("/web/hosts-are-known", hosts_are_known);
    g_test_add_func("/web/picture-headers-are-read", picture_headers_are_read);
    g_test_add_func("/web/cut-picture-headers-are-refused", cut_picture_headers_are_refused);
    return g_test_run();
}
