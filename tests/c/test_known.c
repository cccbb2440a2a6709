// sources: @core csrc/nn/known.c
/* What is known of graphs, against a plain list: found again with the right values, forgotten when there is no room. */
#include "nn/known.h"

#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "core/buffer.h"
#include "sample.h"

enum { CAPACITY = 20, LENGTH = 3, VALUES = 5, MOST = 27 };

/* All codes of three values of three kinds, and values that tell the graph. */
static uint8_t codes[MOST][LENGTH];
static const uint8_t *all_codes[2 * MOST];
static uint32_t numbers[2 * MOST];
static float values[2 * MOST][VALUES];

static void prepare(void)
{
    for (uint32_t g = 0; g < 2 * MOST; g++) {
        for (uint32_t i = 0, rest = g % MOST; i < LENGTH; i++, rest /= 3)
            codes[g % MOST][i] = (uint8_t)(rest % 3);
        all_codes[g] = codes[g % MOST];
        numbers[g] = g / MOST;
        for (int i = 0; i < VALUES; i++)
            values[g][i] = (float)(g * VALUES) + (float)i;
    }
}

static bool is_known(const cr_known *known, uint32_t g)
{
    uint8_t own[LENGTH]; /* elsewhere in memory */
    memcpy(own, all_codes[g], LENGTH);
    const void *found = cr_known_find(known, numbers[g], own);
    CHECK(found == NULL || memcmp(found, values[g], sizeof values[g]) == 0, "other values of graph %u", g);
    return found != NULL;
}

static void finds_what_was_added(void)
{
    cr_known *known;
    CHECK(cr_known_new(CAPACITY, LENGTH, sizeof values[0], &known, NULL) == CR_OK, "no memory");
    bool expected[2 * MOST] = {false};
    size_t count = 0;
    for (int round = 0; round < 200; round++) {
        uint32_t new[CAPACITY];
        size_t n = 0, most = sample_below(CAPACITY / 2 + 2);
        for (uint32_t g = (uint32_t)sample_below(2 * MOST); n < most; g = (g + 1) % (2 * MOST))
            if (!expected[g])
                new[n++] = g;
        cr_known_add(known, n, new, numbers, all_codes, values);
        if (round % 7 == 0 && count + 2 * n <= CAPACITY) /* graphs that are known */
            cr_known_add(known, n, new, numbers, all_codes, values);
        if (n <= CAPACITY / 2) {
            if (count + n > CAPACITY) {
                memset(expected, 0, sizeof expected);
                count = 0;
            }
            count += n;
            for (size_t i = 0; i < n; i++)
                expected[new[i]] = true;
        }
        for (uint32_t g = 0; g < 2 * MOST; g++)
            CHECK(is_known(known, g) == expected[g], "graph %u: expected %d", g, expected[g]);
    }
    cr_known_release(known);
    cr_known_release(NULL);
    CHECK(cr_pool_stats().live_bytes == 0, "%zu bytes are left", cr_pool_stats().live_bytes);
}

int main(void)
{
    prepare();
    RUN(finds_what_was_added);
    return check_finish("test_known");
}
