/* The little that the C tests share: CHECK counts failures and says what failed, RUN reports one test function,
 * check_finish prints the closing line and gives the exit status of main. */
#ifndef CR_TESTS_CHECK_H
#define CR_TESTS_CHECK_H

#include <stdio.h>
#include <string.h>

static int check_failures;

/* When `condition` is false: prints where, the condition and the printf-style message, and counts a failure.
 * Only the first 20 failures of a program are printed. */
#define CHECK(condition, ...)                                                       \
    do {                                                                            \
        if (!(condition) && check_failures++ < 20) {                                \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);         \
            fprintf(stderr, __VA_ARGS__);                                           \
            fputc('\n', stderr);                                                    \
        }                                                                           \
    } while (0)

/* Checks that a call gave the expected status, and an error text with the given words. */
#define CHECK_STATUS(status, expected, text, words)                                                                  \
    do {                                                                                                             \
        const int status_ = (int)(status), expected_ = (int)(expected);                                              \
        CHECK(status_ == expected_, "status %d, expected %d", status_, expected_);                                   \
        CHECK(strstr(text, words) != NULL, "'%s', expected '%s'", text, words);                                      \
    } while (0)

/* Runs a function of no arguments and prints `name: ok` or `name: FAILED (count)`. */
#define RUN(test)                                                                   \
    do {                                                                            \
        const int before_ = check_failures;                                         \
        test();                                                                     \
        if (check_failures == before_)                                              \
            printf("%s: ok\n", #test);                                              \
        else                                                                        \
            printf("%s: FAILED (%d)\n", #test, check_failures - before_);           \
    } while (0)

static inline int check_finish(const char *program)
{
    if (check_failures == 0)
        printf("%s: all passed\n", program);
    else
        printf("%s: %d checks failed\n", program, check_failures);
    return check_failures != 0;
}

#endif
