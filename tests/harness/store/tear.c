/* A process that dies in its n-th change to a file of the store: half of what it writes is written, and it is killed.

   Preloaded; `tear_at(n)` says when. The changes are counted over all files whose name has ".duckdb" in it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int at = -1, done = 0;

void tear_at(int n) { at = n; done = 0; }

static int now(const char *path) {
  return at >= 0 && strstr(path, ".duckdb") && !strstr(path, ".lock") && !strstr(path, ".turn") && ++done == at;
}

static int now_at(int file) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  return now(path);
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* the kernel stops a killed write between two pages */
static size_t half(size_t size) { return size > 4096 ? size / 2 / 4096 * 4096 : 0; }

ssize_t write(int file, const void *from, size_t size) {
  REAL(write);
  if (!now_at(file)) return real(file, from, size);
  real(file, from, size / 2);
  die();
}

ssize_t pwrite64(int file, const void *from, size_t size, off64_t place) {
  REAL(pwrite64);
  if (!now_at(file)) return real(file, from, size, place);
  real(file, from, half(size), place);
  die();
}

ssize_t pwrite(int file, const void *from, size_t size, off_t place) { return pwrite64(file, from, size, place); }

int ftruncate64(int file, off64_t size) {
  REAL(ftruncate64);
  if (now_at(file)) die();
  return real(file, size);
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int fsync(int file) {
  REAL(fsync);
  if (now_at(file)) die();
  return real(file);
}

int unlink(const char *path) {
  REAL(unlink);
  if (now(path)) die();
  return real(path);
}

int rename(const char *from, const char *to) {
  REAL(rename);
  if (now(from)) die();
  return real(from, to);
}
