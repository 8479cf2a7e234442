/* A disk between a process and its files, by LD_PRELOAD: it writes down what is written, and fails on demand.
 *
 * CHAOS_DISK_ROOT     what lies below this folder is on the disk (not SQLite's "-shm", which is shared memory)
 * CHAOS_DISK_LOG      a record for each change, in the order in which it took effect: bench/chaos/platter.py
 * CHAOS_DISK_CONTROL  a page of numbers shared with the test (struct control): what is to fail. Optional
 *
 * The variables are looked for until they are there: the process may be forked off one that has none.
 * fsync itself is not carried out, only waited for: what it would have made durable is known from the log.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITES = 1, SYNCS = 2, SIZES = 4, NAMES = 8 };

struct control {
    volatile uint64_t count;  /* operations of these kinds so far, the first is 1 */
    volatile uint64_t first;  /* fail from this one on; 0: none */
    volatile uint64_t last;   /* up to this one */
    volatile uint64_t error;  /* errno */
    volatile uint64_t kinds;  /* which are counted, and may fail */
    volatile uint64_t failed; /* how many did */
    volatile uint64_t end;    /* the power goes before this one; 0: it does not */
};

struct record {
    uint32_t kind, path_length;
    uint64_t node, offset, length; /* `node` is an inode's number; `length` bytes follow the path of a 'W' */
};

#define FILES 65536
static struct { uint64_t node; char on; } files[FILES];
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static const char *root;
static size_t root_length;
static int log_file = -1;
static struct control *control;
static uint64_t serial;

#define REAL(name, type, ...)                                   \
    static type (*real_##name)(__VA_ARGS__);                    \
    if (!real_##name) real_##name = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static int real_open_of(const char *path, int flags, mode_t mode) {
    REAL(open64, int, const char *, int, ...);
    return real_open64(path, flags, mode);
}

static int ready(void) {
    if (log_file >= 0) return 1;
    const char *where = getenv("CHAOS_DISK_ROOT"), *log = getenv("CHAOS_DISK_LOG");
    if (!where || !log) return 0;
    pthread_mutex_lock(&turn);
    if (log_file < 0) {
        root_length = strlen(where);
        root = strdup(where);
        const char *page = getenv("CHAOS_DISK_CONTROL");
        if (page) {
            int fd = real_open_of(page, O_RDWR | O_CLOEXEC, 0);
            void *seen = fd < 0 ? MAP_FAILED : mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            if (seen == MAP_FAILED) abort();
            control = seen;
        }
        int fd = real_open_of(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        /* High up, where nothing looks for a free number. */
        log_file = fcntl(fd, F_DUPFD_CLOEXEC, 900);
        if (log_file < 0) abort();
    }
    pthread_mutex_unlock(&turn);
    return 1;
}

static int below(const char *path) {
    size_t length = path ? strlen(path) : 0;
    if (length < root_length || strncmp(path, root, root_length)) return 0;
    if (path[root_length] && path[root_length] != '/') return 0;
    return !(length > 4 && !strcmp(path + length - 4, "-shm"));
}

static void note(int kind, const char *path, size_t path_length, uint64_t node, uint64_t offset,
                 const void *data, uint64_t length) {
    struct record head = {kind, path_length, node, offset, length};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, path_length}, {(void *)data, data ? length : 0}};
    int kept = errno;
    REAL(writev, ssize_t, int, const struct iovec *, int);
    if (real_writev(log_file, parts, 3) < 0) abort();
    errno = kept;
}

/* In turn. Whether this operation is one that fails; errno is then set. */
static int fails(int kind) {
    if (!control || !(control->kinds & kind)) return 0;
    uint64_t number = ++control->count;
    if (control->end && number >= control->end) raise(SIGKILL);
    if (!control->first || number < control->first || number > control->last) return 0;
    control->failed++;
    errno = (int)control->error;
    return 1;
}

static int on_disk(int fd) { return fd >= 0 && fd < FILES && files[fd].on && ready(); }

/* --- names */

static int opened(int at, const char *path, int flags, mode_t mode) {
    REAL(openat64, int, int, const char *, int, ...);
    if (!ready() || !below(path)) return real_openat64(at, path, flags, mode);
    pthread_mutex_lock(&turn);
    int makes = (flags & O_CREAT) && access(path, F_OK) != 0;
    if (makes && fails(NAMES)) {
        pthread_mutex_unlock(&turn);
        return -1;
    }
    int fd = real_openat64(at, path, flags, mode);
    struct stat found;
    if (fd >= 0 && fd < FILES && fstat(fd, &found) == 0) {
        files[fd].node = found.st_ino;
        files[fd].on = 1;
        if (makes) note('O', path, strlen(path), found.st_ino, 0, 0, 0);
        else if (flags & O_TRUNC) note('T', 0, 0, found.st_ino, 0, 0, 0);
    }
    pthread_mutex_unlock(&turn);
    return fd;
}

#define OPENS(head, at, path)                                   \
    head {                                                      \
        mode_t mode = 0;                                        \
        if (flags & (O_CREAT | O_TMPFILE)) {                    \
            va_list more;                                       \
            va_start(more, flags);                              \
            mode = va_arg(more, mode_t);                        \
            va_end(more);                                       \
        }                                                       \
        return opened(at, path, flags, mode);                   \
    }

OPENS(int open(const char *path, int flags, ...), AT_FDCWD, path)
OPENS(int open64(const char *path, int flags, ...), AT_FDCWD, path)
OPENS(int openat(int at, const char *path, int flags, ...), at, path)
OPENS(int openat64(int at, const char *path, int flags, ...), at, path)

int close(int fd) {
    REAL(close, int, int);
    if (fd >= 0 && fd < FILES) files[fd].on = 0;
    return real_close(fd);
}

int rename(const char *old, const char *new) {
    REAL(rename, int, const char *, const char *);
    if (!ready() || !below(old) || !below(new)) return real_rename(old, new);
    pthread_mutex_lock(&turn);
    int result = fails(NAMES) ? -1 : real_rename(old, new);
    if (result == 0) {
        size_t first = strlen(old) + 1, second = strlen(new);
        char both[first + second];
        memcpy(both, old, first);
        memcpy(both + first, new, second);
        note('R', both, first + second, 0, 0, 0, 0);
    }
    pthread_mutex_unlock(&turn);
    return result;
}

#define NAMED(name, kind, real)                                 \
    pthread_mutex_lock(&turn);                                  \
    int result = fails(NAMES) ? -1 : real;                      \
    struct stat found = {0};                                    \
    if (result == 0) {                                          \
        stat(name, &found);                                     \
        note(kind, name, strlen(name), found.st_ino, 0, 0, 0);  \
    }                                                           \
    pthread_mutex_unlock(&turn);                                \
    return result;

int unlink(const char *path) {
    REAL(unlink, int, const char *);
    if (!ready() || !below(path)) return real_unlink(path);
    NAMED(path, 'U', real_unlink(path))
}

int rmdir(const char *path) {
    REAL(rmdir, int, const char *);
    if (!ready() || !below(path)) return real_rmdir(path);
    NAMED(path, 'U', real_rmdir(path))
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir, int, const char *, mode_t);
    if (!ready() || !below(path)) return real_mkdir(path, mode);
    NAMED(path, 'M', real_mkdir(path, mode))
}

/* --- content */

static ssize_t written(int fd, const void *data, size_t size, int64_t at) {
    REAL(pwrite64, ssize_t, int, const void *, size_t, off64_t);
    REAL(write, ssize_t, int, const void *, size_t);
    if (!on_disk(fd)) return at < 0 ? real_write(fd, data, size) : real_pwrite64(fd, data, size, at);
    pthread_mutex_lock(&turn);
    int failing = fails(WRITES), why = errno;
    /* A disk that fails may have written some whole sectors of it; one that is full has not. */
    size_t wanted = !failing ? size : why == ENOSPC ? 0 : size / 2 / 512 * 512;
    ssize_t done = 0;
    if (wanted || !failing) done = at < 0 ? real_write(fd, data, wanted) : real_pwrite64(fd, data, wanted, at);
    if (done > 0) {
        int64_t from = at < 0 ? lseek(fd, 0, SEEK_CUR) - done : at;
        note('W', 0, 0, files[fd].node, from, data, done);
    }
    if (failing && at < 0 && done > 0) lseek(fd, -done, SEEK_CUR);
    if (failing) errno = why;
    pthread_mutex_unlock(&turn);
    return failing ? -1 : done;
}

ssize_t write(int fd, const void *data, size_t size) { return written(fd, data, size, -1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return written(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return written(fd, data, size, at); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev, ssize_t, int, const struct iovec *, int);
    if (!on_disk(fd)) return real_writev(fd, parts, count);
    return count > 0 ? written(fd, parts[0].iov_base, parts[0].iov_len, -1) : 0;
}

static int sized(int fd, off64_t size) {
    REAL(ftruncate64, int, int, off64_t);
    if (!on_disk(fd)) return real_ftruncate64(fd, size);
    pthread_mutex_lock(&turn);
    int result = fails(SIZES) ? -1 : real_ftruncate64(fd, size);
    if (result == 0) note('T', 0, 0, files[fd].node, size, 0, 0);
    pthread_mutex_unlock(&turn);
    return result;
}

int ftruncate(int fd, off_t size) { return sized(fd, size); }
int ftruncate64(int fd, off64_t size) { return sized(fd, size); }

static int allocated(int fd, off64_t at, off64_t size) {
    REAL(posix_fallocate64, int, int, off64_t, off64_t);
    if (!on_disk(fd)) return real_posix_fallocate64(fd, at, size);
    pthread_mutex_lock(&turn);
    int result = fails(SIZES) ? (int)control->error : real_posix_fallocate64(fd, at, size);
    struct stat found;
    if (result == 0 && fstat(fd, &found) == 0) note('T', 0, 0, files[fd].node, found.st_size, 0, 0);
    pthread_mutex_unlock(&turn);
    return result;
}

int posix_fallocate(int fd, off_t at, off_t size) { return allocated(fd, at, size); }
int posix_fallocate64(int fd, off64_t at, off64_t size) { return allocated(fd, at, size); }

static int synced(int fd, int (*real)(int)) {
    if (!on_disk(fd)) return real(fd);
    pthread_mutex_lock(&turn);
    uint64_t mine = ++serial, node = files[fd].node;
    int failing = fails(SYNCS), why = errno;
    note('S', 0, 0, node, mine, 0, 0);
    pthread_mutex_unlock(&turn);
    /* As long as a fast disk takes: a loss of power is to come in the middle, too. */
    usleep(200 + (mine * 2654435761u >> 16) % 500);
    pthread_mutex_lock(&turn);
    note(failing ? 'F' : 'E', 0, 0, node, mine, 0, 0);
    pthread_mutex_unlock(&turn);
    if (failing) errno = why;
    return failing ? -1 : 0;
}

int fsync(int fd) {
    REAL(fsync, int, int);
    return synced(fd, real_fsync);
}

int fdatasync(int fd) {
    REAL(fdatasync, int, int);
    return synced(fd, real_fdatasync);
}
