/* CRC-32C (Castagnoli): polynomial 0x1edc6f41, reflected, initial value and final inversion 0xffffffff, as in
 * RFC 3720 and in the files of TensorFlow. */
#ifndef CR_CORE_CRC32C_H
#define CR_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of data[0 .. size); size = 0 allows data = NULL. Pure, thread safe, cannot fail. */
uint32_t cr_crc32c(const void *data, size_t size);

#endif
