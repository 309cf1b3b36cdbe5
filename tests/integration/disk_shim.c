/* Notes what a process does to files under one folder, in order, so that a test can ask what a power loss would leave.

   Preloaded into an engine. FOLDER_LOG is the file to append to, FOLDER_WATCHED the folder. Each entry is a head

       kind (1 byte), 0 (3 bytes), length of path, length of data (4 bytes each), a, b (8 bytes each)

   and then the path and the data:

       C create    a: 1 when emptied                 W write     a: offset, data
       T truncate  a: length                         B sync begins   a: number of the sync
       S synced    a: number of the sync             R rename    data: the new path
       U unlink                                      D mkdir
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct head { char kind, zero[3]; uint32_t path_length, data_length; int64_t a, b; } __attribute__((packed));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static const char *watched;
static int64_t n_syncs;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FOLDER_LOG");
    watched = getenv("FOLDER_WATCHED");
    real_write = REAL(write);
    real_pwrite = REAL(pwrite);
    if (path && watched)
        log_fd = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_watched(const char *path) {
    size_t n = watched ? strlen(watched) : 0;
    return log_fd >= 0 && n && !strncmp(path, watched, n) && (path[n] == '/' || !path[n]);
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, 4095);
    if (n <= 0) return 0;
    path[n] = 0;
    char *gone = strstr(path, " (deleted)");
    return !gone && is_watched(path);
}

static int absolute(int dir, const char *name, char *path) {
    if (name[0] == '/') { snprintf(path, 4096, "%s", name); return is_watched(path); }
    char base[4096];
    if (dir == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
    else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        ssize_t n = readlink(link, base, 4095);
        if (n <= 0) return 0;
        base[n] = 0;
    }
    if (snprintf(path, 4096, "%s/%s", base, name) >= 4096) return 0;
    return is_watched(path);
}

static void note(char kind, const char *path, const void *data, size_t length, int64_t a) {
    int before = errno;
    struct head head = {kind, {0}, strlen(path), length, a, 0};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path_length}, {(void *)data, length}};
    pthread_mutex_lock(&lock);
    ssize_t written = REAL(writev)(log_fd, parts, 3);
    if (written != (ssize_t)(sizeof head + head.path_length + length)) abort();
    pthread_mutex_unlock(&lock);
    errno = before;
}

static void note_create(int dir, const char *name, int flags, int fd, int was_there) {
    char path[4096];
    if (fd >= 0 && absolute(dir, name, path) && (flags & O_TRUNC || ((flags & O_CREAT) && !was_there)))
        note('C', path, "", 0, (flags & O_TRUNC) != 0);
}

#define MODE int mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, int); va_end(rest); }
#define OPEN(name) int name(const char *path, int flags, ...) { MODE \
    int was_there = !access(path, F_OK); int fd = REAL(name)(path, flags, mode); note_create(AT_FDCWD, path, flags, fd, was_there); return fd; }
#define OPENAT(name) int name(int dir, const char *path, int flags, ...) { MODE \
    int was_there = !faccessat(dir, path, F_OK, 0); int fd = REAL(name)(dir, path, flags, mode); note_create(dir, path, flags, fd, was_there); return fd; }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

FILE *fopen(const char *name, const char *mode) { FILE *f = REAL(fopen)(name, mode); char path[4096];
    if (f && mode[0] != 'r' && absolute(AT_FDCWD, name, path)) abort(); return f; }

ssize_t write(int fd, const void *data, size_t length) {
    char path[4096];
    if (log_fd < 0 || fd < 3 || !path_of(fd, path)) return real_write(fd, data, length);
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (fcntl(fd, F_GETFL) & O_APPEND) { struct stat found; fstat(fd, &found); at = found.st_size; }
    ssize_t n = real_write(fd, data, length);
    if (n > 0) note('W', path, data, n, at);
    return n;
}

#define PWRITE(name) ssize_t name(int fd, const void *data, size_t length, off_t at) { \
    char path[4096]; ssize_t n = real_pwrite(fd, data, length, at); \
    if (n > 0 && log_fd >= 0 && path_of(fd, path)) note('W', path, data, n, at); return n; }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t writev(int fd, const struct iovec *parts, int n) { char path[4096];
    if (log_fd >= 0 && fd > 2 && path_of(fd, path)) abort(); return REAL(writev)(fd, parts, n); }
ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at) { char path[4096];
    if (log_fd >= 0 && path_of(fd, path)) abort(); return REAL(pwritev)(fd, parts, n, at); }

#define FTRUNCATE(name) int name(int fd, off_t length) { char path[4096]; int bad = REAL(name)(fd, length); \
    if (!bad && log_fd >= 0 && path_of(fd, path)) note('T', path, "", 0, length); return bad; }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

#define SYNC(name) int name(int fd) { char path[4096]; int is_ours = log_fd >= 0 && path_of(fd, path); int64_t number = 0; \
    if (is_ours) { number = __atomic_add_fetch(&n_syncs, 1, __ATOMIC_SEQ_CST); note('B', path, "", 0, number); } \
    int bad = REAL(name)(fd); if (!bad && is_ours) note('S', path, "", 0, number); return bad; }
SYNC(fsync)
SYNC(fdatasync)

int rename(const char *from, const char *to) { char a[4096], b[4096];
    int is_ours = absolute(AT_FDCWD, from, a) && absolute(AT_FDCWD, to, b); int bad = REAL(rename)(from, to);
    if (!bad && is_ours) note('R', a, b, strlen(b), 0); return bad; }
int renameat(int from_dir, const char *from, int to_dir, const char *to) { char a[4096], b[4096];
    int is_ours = absolute(from_dir, from, a) && absolute(to_dir, to, b); int bad = REAL(renameat)(from_dir, from, to_dir, to);
    if (!bad && is_ours) note('R', a, b, strlen(b), 0); return bad; }
int unlink(const char *name) { char path[4096]; int bad = REAL(unlink)(name);
    if (!bad && absolute(AT_FDCWD, name, path)) note('U', path, "", 0, 0); return bad; }
int unlinkat(int dir, const char *name, int flags) { char path[4096]; int is_ours = absolute(dir, name, path);
    int bad = REAL(unlinkat)(dir, name, flags); if (!bad && is_ours) note('U', path, "", 0, 0); return bad; }
int rmdir(const char *name) { char path[4096]; int bad = REAL(rmdir)(name);
    if (!bad && absolute(AT_FDCWD, name, path)) note('U', path, "", 0, 0); return bad; }
int mkdir(const char *name, mode_t mode) { char path[4096]; int bad = REAL(mkdir)(name, mode);
    if (!bad && absolute(AT_FDCWD, name, path)) note('D', path, "", 0, 0); return bad; }
