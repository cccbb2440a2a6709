/* Status codes and the error buffer that every fallible function of the core fills.
 *
 * A fallible function returns cr_status and takes a cr_error * as its last argument. The caller owns the
 * error buffer (usually on its stack); NULL is allowed and drops the message. The core never prints or aborts.
 */
#ifndef CR_CORE_STATUS_H
#define CR_CORE_STATUS_H

#include <stddef.h>

typedef enum {
    CR_OK = 0,
    CR_ERR_MEMORY,   /* an allocation failed                         -> MemoryError    */
    CR_ERR_VALUE,    /* a value or shape is not what is expected     -> ValueError     */
    CR_ERR_TYPE,     /* a dtype or kind of object is not supported   -> TypeError      */
    CR_ERR_INDEX,    /* an index is outside its range                -> IndexError     */
    CR_ERR_OVERFLOW, /* a size does not fit its integer type         -> OverflowError  */
    CR_ERR_STATE     /* the call makes no sense in the present state -> RuntimeError   */
} cr_status;

#define CR_ERROR_SIZE 320

typedef struct {
    char text[CR_ERROR_SIZE];
} cr_error;

#if defined(__GNUC__)
#define CR_MUST_USE __attribute__((warn_unused_result))
#define CR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define CR_MUST_USE
#define CR_PRINTF(fmt, args)
#endif

/* Writes a formatted message into err (when not NULL) and returns code, so that `return cr_fail(...)` reads well. */
cr_status cr_fail(cr_error *err, cr_status code, const char *format, ...) CR_PRINTF(3, 4);

/* Evaluates a status and jumps to `fail:` unless it is CR_OK, in a function with `cr_status status` and a `fail:` label
 * that releases in reverse order. */
#define CR_TRY(expression)         \
    do {                           \
        status = (expression);     \
        if (status != CR_OK)       \
            goto fail;             \
    } while (0)

/* *out = a * b, or CR_ERR_OVERFLOW naming `what`. */
CR_MUST_USE cr_status cr_size_multiply(size_t a, size_t b, size_t *out, const char *what, cr_error *err);

#endif
