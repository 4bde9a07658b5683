// Loaded with LD_PRELOAD: makes one call that writes beneath a folder fail, as a broken or full file
// system would; or, where it is asked to, one that reads. Nothing of the call happens.
//   DITBATCH_IO_UNDER  the folder (absolute)
//   DITBATCH_IO_LOG    a line for every call beneath it: number, operation, call site, file
//   DITBATCH_IO_FAIL   SITE:ERRNO, the first call there fails, or #NUMBER:ERRNO
//   DITBATCH_IO_RANK   only in this rank
//   DITBATCH_IO_READS  set: reads count too
// A call site is the chain of the program's own functions that led to the call, with the kind of file:
// the same in every run of one binary.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { most_frames = 64 };

static atomic_int calls;
static atomic_int failed;

static uint64_t mix(uint64_t hash, uint64_t value) {
  for (int byte = 0; byte < 8; ++byte) {
    hash ^= (value >> (8 * byte)) & 0xff;
    hash *= 0x100000001b3u;
  }
  return hash;
}

struct program {
  uintptr_t base, first, end;
};

// The first object is the program itself.
static int find_program(struct dl_phdr_info* info, size_t size, void* target) {
  (void)size;
  struct program* program = target;
  program->base = info->dlpi_addr;
  program->first = UINTPTR_MAX;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    uintptr_t const first = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    uintptr_t const end = first + info->dlpi_phdr[i].p_memsz;
    if (first < program->first) program->first = first;
    if (end > program->end) program->end = end;
  }
  return 1;
}

static uint64_t site_of(char const* operation, char const* file) {
  struct program program = {0, 0, 0};
  dl_iterate_phdr(find_program, &program);
  void* frames[most_frames];
  int const count = backtrace(frames, most_frames);
  uint64_t hash = 0xcbf29ce484222325u;
  for (int i = 0; i < count; ++i) {
    uintptr_t const at = (uintptr_t)frames[i];
    if (at >= program.first && at < program.end) hash = mix(hash, at - program.base);
  }
  for (; *operation != 0; ++operation) hash = mix(hash, (unsigned char)*operation);
  for (; *file != 0; ++file) {
    if (*file < '0' || *file > '9') hash = mix(hash, (unsigned char)*file);
  }
  return hash;
}

static int number_of(char const* name) {
  if (strcmp(name, "EIO") == 0) return EIO;
  if (strcmp(name, "EDQUOT") == 0) return EDQUOT;
  return ENOSPC;
}

// Whether this call is the one that fails; then errno is set.
static int must_fail(char const* operation, char const* path) {
  char const* under = getenv("DITBATCH_IO_UNDER");
  char const* rank = getenv("DITBATCH_IO_RANK");
  char const* own_rank = getenv("OMPI_COMM_WORLD_RANK");
  if (under == NULL || strncmp(path, under, strlen(under)) != 0) return 0;
  if (rank != NULL && strcmp(rank, own_rank != NULL ? own_rank : "0") != 0) return 0;
  char const* file = path + strlen(under);
  int const number = atomic_fetch_add(&calls, 1);
  uint64_t const site = site_of(operation, file);
  char const* log = getenv("DITBATCH_IO_LOG");
  if (log != NULL) {
    char line[PATH_MAX + 64];
    int const length = snprintf(line, sizeof line, "%d %s %016llx %s\n", number, operation,
                                (unsigned long long)site, file);
    int const to = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (to >= 0) {
      (void)!syscall(SYS_write, to, line, (size_t)length);
      close(to);
    }
  }
  char const* fail = getenv("DITBATCH_IO_FAIL");
  if (fail == NULL || strchr(fail, ':') == NULL) return 0;
  int const here = fail[0] == '#' ? atoi(fail + 1) == number
                                  : strtoull(fail, NULL, 16) == (unsigned long long)site;
  if (!here || atomic_exchange(&failed, 1) != 0) return 0;
  errno = number_of(strchr(fail, ':') + 1);
  return 1;
}

static int must_fail_on(char const* operation, int file) {
  int const kept = errno;
  char link[64];
  char path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t const length = readlink(link, path, sizeof path - 1);
  errno = kept;
  if (length < 0) return 0;
  path[length] = 0;
  return must_fail(operation, path);
}

static int must_fail_to_read(int file) {
  return getenv("DITBATCH_IO_READS") != NULL && must_fail_on("pread", file);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, void const* data, size_t size) {
  return must_fail_on("write", file) ? -1 : REAL(write)(file, data, size);
}
ssize_t writev(int file, struct iovec const* parts, int count) {
  return must_fail_on("write", file) ? -1 : REAL(writev)(file, parts, count);
}
ssize_t pwrite(int file, void const* data, size_t size, off_t at) {
  return must_fail_on("pwrite", file) ? -1 : REAL(pwrite)(file, data, size, at);
}
ssize_t pwrite64(int file, void const* data, size_t size, off64_t at) {
  return must_fail_on("pwrite", file) ? -1 : REAL(pwrite64)(file, data, size, at);
}
ssize_t pread(int file, void* data, size_t size, off_t at) {
  return must_fail_to_read(file) ? -1 : REAL(pread)(file, data, size, at);
}
ssize_t pread64(int file, void* data, size_t size, off64_t at) {
  return must_fail_to_read(file) ? -1 : REAL(pread64)(file, data, size, at);
}
int ftruncate(int file, off_t size) {
  return must_fail_on("ftruncate", file) ? -1 : REAL(ftruncate)(file, size);
}
int fsync(int file) { return must_fail_on("fsync", file) ? -1 : REAL(fsync)(file); }
int rename(char const* from, char const* to) {
  return must_fail("rename", to) ? -1 : REAL(rename)(from, to);
}

// renameat2 has no wrapper in older C libraries: the program calls it by its number.
long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (int i = 0; i < 6; ++i) arguments[i] = va_arg(list, long);
  va_end(list);
  if (number == SYS_renameat2 && must_fail("rename", (char const*)arguments[3])) return -1;
  return REAL(syscall)(number, arguments[0], arguments[1], arguments[2], arguments[3],
                       arguments[4], arguments[5]);
}
