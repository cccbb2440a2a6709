/* Included before every file of a build for Linux: asks for the oldest version of those functions that have a newer one
 * in a current glibc, so that what is built here also loads with glibc 2.28 (manylinux_2_28). The newer ones do the
 * same: those of threads moved from libpthread into libc with version 2.34, and pow of 2.29 leaves out errno.
 * tests/project/test_packaging.py says when a function is missing here. */
#ifndef CR_CORE_GLIBC_H
#define CR_CORE_GLIBC_H

/* No header may be included here: the files choose with _GNU_SOURCE and the like what these declare. */
#if __has_include(<gnu/libc-version.h>)
#if defined(__x86_64__)
#define CR_OLDEST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define CR_OLDEST "GLIBC_2.17"
#endif
#endif

#if defined(CR_OLDEST)
__asm__(".symver pow, pow@" CR_OLDEST);
__asm__(".symver pthread_create, pthread_create@" CR_OLDEST);
__asm__(".symver pthread_join, pthread_join@" CR_OLDEST);
__asm__(".symver pthread_mutex_trylock, pthread_mutex_trylock@" CR_OLDEST);
__asm__(".symver pthread_once, pthread_once@" CR_OLDEST);
#endif

#endif
