#include "status.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

cr_status cr_fail(cr_error *err, cr_status code, const char *format, ...)
{
    if (err != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(err->text, sizeof err->text, format, arguments);
        va_end(arguments);
    }
    return code;
}

cr_status cr_size_multiply(size_t a, size_t b, size_t *out, const char *what, cr_error *err)
{
    if (a != 0 && b > SIZE_MAX / a)
        return cr_fail(err, CR_ERR_OVERFLOW, "%s: %zu x %zu does not fit a size", what, a, b);
    *out = a * b;
    return CR_OK;
}
