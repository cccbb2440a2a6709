/* Counts the allocations of a process that has this library in LD_PRELOAD, and refuses one of them. With
 * PYTHONMALLOC=malloc those of Python's objects are among them. For glibc; one thread may count at a time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static long calls, refused_call;  /* allocations since the start; the number of the one to refuse */
static int counting;
static uintptr_t lowest, highest; /* only calls from these addresses count */
static atomic_long live;          /* blocks that are allocated */
static int log_file = -1;         /* gets who asked for what was refused */

static int find_library(struct dl_phdr_info *info, size_t size, void *name)
{
    (void)size;
    if (strstr(info->dlpi_name, name) == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && (part->p_flags & PF_X)) {
            lowest = info->dlpi_addr + part->p_vaddr;
            highest = lowest + part->p_memsz;
        }
    }
    return 1;
}

/* Counts calls from the library whose path has `name` in it, or all if that is empty; -1 when there is none. `file` gets
 * the stack of each refused call. */
int refuse_only(char *name, int file)
{
    log_file = file;
    backtrace((void *[1]){NULL}, 1); /* it allocates the first time */
    lowest = 0;
    highest = UINTPTR_MAX;
    return *name == 0 || dl_iterate_phdr(find_library, name) ? 0 : -1;
}

/* Begins to count and refuses the n-th allocation from here; none for 0. */
void refuse_start(long n)
{
    calls = 0;
    refused_call = n;
    counting = 1;
}

/* Ends counting; the number of allocations since the start. */
long refuse_stop(void)
{
    counting = 0;
    return calls;
}

long refuse_live(void)
{
    return atomic_load(&live);
}

/* Writes who asks for memory, innermost first: a line of library and function for each. */
static void log_stack(void)
{
    void *frames[64];
    char line[512];
    Dl_info info;
    const int n = backtrace(frames, sizeof frames / sizeof *frames);
    for (int i = 2; i < n; i++)
        if (dladdr(frames[i], &info) != 0) {
            const char *name = info.dli_sname == NULL ? "?" : info.dli_sname;
            int length = snprintf(line, sizeof line, "%s %s\n", info.dli_fname, name);
            if (length < 0 || write(log_file, line, (size_t)length) < 0)
                return;
        }
}

static int refuses(void *caller)
{
    if (!counting || (uintptr_t)caller < lowest || (uintptr_t)caller >= highest || ++calls != refused_call)
        return 0;
    log_stack();
    errno = ENOMEM;
    return 1;
}

static void *counted(void *memory)
{
    if (memory != NULL)
        atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return memory;
}

void *malloc(size_t size)
{
    return refuses(__builtin_return_address(0)) ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return refuses(__builtin_return_address(0)) ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *memory, size_t size)
{
    if (refuses(__builtin_return_address(0)))
        return NULL;
    void *moved = __libc_realloc(memory, size);
    return memory == NULL ? counted(moved) : moved;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return refuses(__builtin_return_address(0)) ? NULL : counted(__libc_memalign(alignment, size));
}

void *memalign(size_t alignment, size_t size)
{
    return refuses(__builtin_return_address(0)) ? NULL : counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (refuses(__builtin_return_address(0)))
        return ENOMEM;
    void *memory = counted(__libc_memalign(alignment, size));
    if (memory == NULL)
        return ENOMEM;
    *out = memory;
    return 0;
}

void free(void *memory)
{
    if (memory != NULL)
        atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    __libc_free(memory);
}
