/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of frames in progress: what a block holds when it is taken, and that blocks are as many as
 * their reserves.
 */
#include "arena.h"

#include <string.h>

#include "gemma4.h"

enum { ALL = 8192, PART = 5000 }; /* of one size of blocks */

static G4Block *take(gsize bytes, guint64 layout)
{
    G4Block *block = g4_arena_take(bytes, layout);

    g_assert_cmpuint(block->scratch.size, >=, bytes);
    g_assert_cmpuint(block->scratch.used, ==, 0);
    return block;
}

static void assert_all(const G4Block *block, gsize first, gsize last, guint8 value)
{
    for (gsize i = first; i < last; i++)
        g_assert_cmpuint(block->scratch.base[i], ==, value);
}

static void test_a_block_holds_its_layouts_bytes_or_zeros(void)
{
    g_assert_true(g4_arena_reserve(ALL, NULL));
    G4Block *block = take(PART, 1);
    assert_all(block, 0, ALL, 0);
    memset(block->scratch.base, 1, PART);
    g4_arena_give(block);
    block = take(ALL, 1);
    assert_all(block, 0, PART, 1);
    assert_all(block, PART, ALL, 0);
    memset(block->scratch.base, 1, ALL);
    g4_arena_give(block);

    block = take(PART, 2);
    assert_all(block, 0, PART, 0);
    memset(block->scratch.base, 2, PART);
    g4_arena_give(block);
    /* Beyond what layout 2 had lies what layout 1 left. */
    block = take(ALL, 2);
    assert_all(block, 0, PART, 2);
    assert_all(block, PART, ALL, 0);
    g4_arena_give(block);
    g4_arena_unreserve(ALL);
}

/* Whoever has the most of a layout goes on with it. */
static void test_a_block_of_the_layout_is_preferred(void)
{
    g_assert_true(g4_arena_reserve(ALL, NULL));
    g_assert_true(g4_arena_reserve(ALL, NULL));
    G4Block *one = take(ALL, 1), *two = take(ALL, 2);
    g_assert_true(one != two);
    g4_arena_give(one);
    g4_arena_give(two);
    g_assert_true(take(ALL, 1) == one);
    g_assert_true(take(ALL, 2) == two);
    g4_arena_give(two);
    g4_arena_give(one);
    /* The one used last, where neither is of the layout. */
    g_assert_true(take(ALL, 3) == one);
    g4_arena_give(one);
    g4_arena_unreserve(ALL);
    g4_arena_unreserve(ALL);
}

/* A reserve that goes while its block is taken: the block goes when it comes back. */
static void test_a_reserve_may_go_while_blocks_are_taken(void)
{
    g_assert_true(g4_arena_reserve(ALL, NULL));
    g_assert_true(g4_arena_reserve(ALL, NULL));
    G4Block *one = take(ALL, 1), *two = take(ALL, 1);
    g4_arena_unreserve(ALL);
    g4_arena_give(one);
    g4_arena_give(two);
    two = take(ALL, 1);
    g4_arena_give(two);
    g4_arena_unreserve(ALL);
}

static void test_more_than_there_can_be_is_refused(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(g4_arena_reserve(G_MAXSIZE, &error));
    g_assert_error(error, G4_ERROR, G4_ERROR_SETTINGS);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/arena/a-block-holds-its-layouts-bytes-or-zeros",
                    test_a_block_holds_its_layouts_bytes_or_zeros);
    g_test_add_func("/arena/a-block-of-the-layout-is-preferred",
                    test_a_block_of_the_layout_is_preferred);
    g_test_add_func("/arena/a-reserve-may-go-while-blocks-are-taken",
                    test_a_reserve_may_go_while_blocks_are_taken);
    g_test_add_func("/arena/more-than-there-can-be-is-refused",
                    test_more_than_there_can_be_is_refused);
    return g_test_run();
}
