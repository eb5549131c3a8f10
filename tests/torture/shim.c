/* Counts what a program does to files below one folder, and disturbs one event of a chosen number.

Loaded with LD_PRELOAD, so that it also sees what Orbax writes from C++ and its threads. The control
block is shared by all processes forked from the one that loaded it, which itself is never disturbed.
An event is: open for writing, write, fsync, rename, mkdir, unlink. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WATCH, KILL, KILL_ONE, TORN, ERROR_ONCE, ERROR_ON };
enum { PROCEED, FAIL, HALF, AFTER };
#define KEPT 4096
#define LENGTH 256

struct control {
  pid_t owner;
  int armed, kind, error, fired;
  long target, count;
  char prefix[1024], match[LENGTH];
  char events[KEPT][LENGTH];
};
static struct control *c;

__attribute__((constructor)) static void start(void) {
  c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  c->owner = getpid();
}

void torture_arm(const char *prefix, int kind, long target, int error, const char *match) {
  c->armed = 0;
  c->owner = getpid();
  c->kind = kind, c->target = target, c->error = error, c->count = 0, c->fired = 0;
  snprintf(c->prefix, sizeof c->prefix, "%s/", prefix);
  snprintf(c->match, sizeof c->match, "%s", match);
  memset(c->events, 0, sizeof c->events);
  c->armed = 1;
}

void torture_disarm(void) { c->armed = 0; }
long torture_count(void) { return c->count; }
int torture_fired(void) { return c->fired; }
const char *torture_event(long number) { return c->events[number]; }

static void where(int folder, const char *path, char *out, size_t size) {
  char link[64], base[2048];
  if (path && path[0] == '/') {
    snprintf(out, size, "%s", path);
    return;
  }
  if (path && folder == AT_FDCWD) {
    if (!getcwd(base, sizeof base)) base[0] = 0;
  } else {
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t n = readlink(link, base, sizeof base - 1);
    base[n < 0 ? 0 : n] = 0;
  }
  if (path) snprintf(out, size, "%s/%s", base, path);
  else snprintf(out, size, "%s", base);
}

/* What is to become of this event. */
static int event(const char *what, int folder, const char *path) {
  char full[4200];
  if (!c || !c->armed || getpid() == c->owner) return PROCEED;
  where(folder, path, full, sizeof full);
  size_t n = strlen(c->prefix);
  if (strncmp(full, c->prefix, n) && strncmp(full, c->prefix, n - 1)) return PROCEED;
  long number = __atomic_fetch_add(&c->count, 1, __ATOMIC_SEQ_CST);
  char text[LENGTH];
  snprintf(text, LENGTH, "%s %.200s", what, strlen(full) > n ? full + n : ".");
  if (number < KEPT) memcpy(c->events[number], text, LENGTH);
  if (c->match[0]) {
    if (strcmp(text, c->match)) return PROCEED;
    c->target = number;
  }
  if (c->kind == WATCH || number < c->target) return PROCEED;
  if (c->kind == ERROR_ON && c->error == ENOSPC && (!strcmp(what, "unlink"))) return PROCEED;
  if (c->kind != ERROR_ON && number != c->target) return PROCEED;
  c->fired = 1;
  if (c->kind == KILL) kill(0, SIGKILL);
  if (c->kind == KILL_ONE) kill(getpid(), SIGKILL);
  if (c->kind == TORN) return strcmp(what, "write") ? AFTER : HALF;
  errno = c->error;
  return FAIL;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name)
#define DISTURB(what, folder, path, call)                 \
  int fate = event(what, folder, path);                   \
  if (fate == FAIL) return -1;                            \
  __typeof__(call) done = call;                           \
  if (fate == AFTER) kill(0, SIGKILL);                    \
  return done

#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define MODE                                                        \
  mode_t mode = 0;                                                  \
  if (flags & (O_CREAT | O_TMPFILE)) {                              \
    va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); \
  }
#define OPEN(name)                                                  \
  int name(const char *path, int flags, ...) {                      \
    MODE REAL(name);                                                \
    if (!WRITES(flags)) return real(path, flags, mode);             \
    DISTURB("open", AT_FDCWD, path, real(path, flags, mode));       \
  }
#define OPENAT(name)                                                \
  int name(int folder, const char *path, int flags, ...) {          \
    MODE REAL(name);                                                \
    if (!WRITES(flags)) return real(folder, path, flags, mode);     \
    DISTURB("open", folder, path, real(folder, path, flags, mode)); \
  }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)

static void torn(int fate) { if (fate == HALF) kill(0, SIGKILL); }

ssize_t write(int fd, const void *data, size_t n) {
  REAL(write);
  int fate = event("write", fd, NULL);
  if (fate == FAIL) return -1;
  ssize_t done = real(fd, data, fate == HALF ? n / 2 : n);
  torn(fate);
  return done;
}

#define PWRITE(name, offset_type)                                          \
  ssize_t name(int fd, const void *data, size_t n, offset_type offset) {   \
    REAL(name);                                                            \
    int fate = event("write", fd, NULL);                                   \
    if (fate == FAIL) return -1;                                           \
    ssize_t done = real(fd, data, fate == HALF ? n / 2 : n, offset);       \
    torn(fate);                                                            \
    return done;                                                           \
  }
PWRITE(pwrite, off_t) PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int n) {
  REAL(writev);
  int fate = event("write", fd, NULL);
  if (fate == FAIL) return -1;
  if (fate == HALF) {
    struct iovec half = {parts[0].iov_base, n > 1 ? parts[0].iov_len : parts[0].iov_len / 2};
    real(fd, &half, 1);
    torn(fate);
  }
  return real(fd, parts, n);
}

int fsync(int fd) { REAL(fsync); DISTURB("fsync", fd, NULL, real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); DISTURB("fsync", fd, NULL, real(fd)); }
int rename(const char *a, const char *b) { REAL(rename); DISTURB("rename", AT_FDCWD, b, real(a, b)); }
int renameat(int f, const char *a, int g, const char *b) {
  REAL(renameat); DISTURB("rename", g, b, real(f, a, g, b));
}
int renameat2(int f, const char *a, int g, const char *b, unsigned flags) {
  REAL(renameat2); DISTURB("rename", g, b, real(f, a, g, b, flags));
}
int mkdir(const char *p, mode_t m) { REAL(mkdir); DISTURB("mkdir", AT_FDCWD, p, real(p, m)); }
int mkdirat(int f, const char *p, mode_t m) { REAL(mkdirat); DISTURB("mkdir", f, p, real(f, p, m)); }
int unlink(const char *p) { REAL(unlink); DISTURB("unlink", AT_FDCWD, p, real(p)); }
int unlinkat(int f, const char *p, int flags) {
  REAL(unlinkat); DISTURB("unlink", f, p, real(f, p, flags));
}
int rmdir(const char *p) { REAL(rmdir); DISTURB("unlink", AT_FDCWD, p, real(p)); }
