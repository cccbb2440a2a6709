/* The two element types of the core. */
#ifndef CR_CORE_DTYPE_H
#define CR_CORE_DTYPE_H

#include <stddef.h>

typedef enum { CR_F32 = 0, CR_F64 = 1, CR_N_DTYPES = 2 } cr_dtype;

static inline size_t cr_dtype_size(cr_dtype dtype)
{
    return dtype == CR_F32 ? 4 : 8;
}

static inline const char *cr_dtype_name(cr_dtype dtype)
{
    return dtype == CR_F32 ? "float32" : "float64";
}

#endif
