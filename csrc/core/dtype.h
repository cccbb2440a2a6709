/* The two element types of the core. */
#ifndef CR_CORE_DTYPE_H
#define CR_CORE_DTYPE_H

#include <stddef.h>
#include <stdint.h>

typedef enum { CR_F32 = 0, CR_F64 = 1, CR_N_DTYPES = 2 } cr_dtype;

static inline size_t cr_dtype_size(cr_dtype dtype)
{
    return dtype == CR_F32 ? 4 : 8;
}

static inline const char *cr_dtype_name(cr_dtype dtype)
{
    return dtype == CR_F32 ? "float32" : "float64";
}

/* The address of element `element` of an array. */
static inline void *cr_element(const void *data, size_t element, cr_dtype dtype)
{
    return (char *)(uintptr_t)data + element * cr_dtype_size(dtype);
}

#endif
