/* MD5 of bytes in memory (RFC 1321). It makes the names that published tables use; it is not for security.
 *
 * The function is pure, thread safe and cannot fail. Lengths are below a quarter of SIZE_MAX.
 */
#ifndef CR_CORE_MD5_H
#define CR_CORE_MD5_H

#include <stddef.h>
#include <stdint.h>

#define CR_MD5_SIZE 16

/* digest = MD5 of data[0 .. size). size = 0 allows data = NULL; digest may lie within data. */
void cr_md5(const void *data, size_t size, uint8_t digest[CR_MD5_SIZE]);

#endif
