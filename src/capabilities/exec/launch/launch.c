// Starts one command with its restrictions on, set between vfork and execve: none of its instructions runs without them.
// It must never allocate, nor call anything that is not safe after vfork. No headers: it is compiled where it runs.
// Next: launch.ts fills in `struct order`, field by field in this order; every field has 64 bits.

typedef long word;

// What is used of the C library. It is not linked: that would take the files of a compiler, which few machines have.
// launch.ts says where each of them is, in this order.
static int (*vfork)(void);
static void (*_exit)(int);
static int (*execve)(const char *, char **, char **);
static int (*setsid)(void);
static int (*chdir)(const char *);
static int (*open)(const char *, int, ...);
static word (*write)(int, const void *, word);
static int (*close)(int);
static int (*dup2)(int, int);
static int (*fcntl)(int, int, ...);
static int (*ioctl)(int, unsigned long, ...);
static int (*prctl)(int, ...);
static int (*setrlimit)(int, const void *);
static int (*unshare)(int);
static int (*mount)(const char *, const char *, const char *, unsigned long, const void *);
static int (*sigprocmask)(int, const void *, void *);
static void *(*signal)(int, void *);
static long (*syscall)(long, ...);
static int *(*__errno_location)(void);
static int (*waitpid)(int, int *, int);

void use(void **found) {
  vfork = *found++;
  _exit = *found++;
  execve = *found++;
  setsid = *found++;
  chdir = *found++;
  open = *found++;
  write = *found++;
  close = *found++;
  dup2 = *found++;
  fcntl = *found++;
  ioctl = *found++;
  prctl = *found++;
  setrlimit = *found++;
  unshare = *found++;
  mount = *found++;
  sigprocmask = *found++;
  signal = *found++;
  syscall = *found++;
  __errno_location = *found++;
  waitpid = *found++;
}

#define O_WRONLY 1
#define O_RDWR 2
#define O_CLOEXEC 02000000
#define F_DUPFD 0
#define F_SETFD 2
#define FD_CLOEXEC 1
#define TIOCSCTTY 0x540E
#define SIG_SETMASK 2
#define SIGNALS 64
#define CLONE_NEWNS 0x00020000
#define ENOTDIR 20
#define MS_RDONLY 1
#define MS_BIND 4096
#define MS_REC 16384
#define MS_SLAVE (1 << 19)
#define PR_CAPBSET_DROP 24
#define PR_SET_NO_NEW_PRIVS 38
#define SYS_LANDLOCK_RESTRICT_SELF 446
#define SYS_CLOSE_RANGE 436
#define CLOSE_RANGE_CLOEXEC 4
#define DESCRIPTORS_MAX 65536

// The steps, as launch.ts names them.
enum { SETUP = 1, FOLDER, GROUP, LIMITS, PROTECTION, EXECUTE };

struct order {
  const char *file;
  char **argv;
  char **envp;
  const char *folder;
  word stdio[3];
  const char *terminal;     // path of a terminal to be the controlling one, or 0
  const char **groups;      // files that take a process into a control group, up to 0
  word (*limits)[3];        // resource, soft, hard
  word limits_count;
  word no_new_privileges;
  word ruleset;             // descriptor of a Landlock ruleset, or -1
  const char **hidden;      // folders and files to cover with nothing, up to 0; in a mount namespace of its own when there are any
  const word *capabilities; // to be lost for good, up to -1
  word failed_step;         // out
};

static int set_up(struct order *order) {
  char none[128];
  for (int at = 0; at < 128; at++) none[at] = 0;
  for (int number = 1; number <= SIGNALS; number++) signal(number, 0);
  if (setsid() < 0) return -1;
  int stdio[3];
  for (int at = 0; at < 3; at++) {
    // Above the three, so that none is overwritten before it is copied.
    stdio[at] = order->terminal ? -1 : fcntl((int)order->stdio[at], F_DUPFD, 10);
    if (!order->terminal && stdio[at] < 0) return -1;
  }
  if (order->terminal) {
    stdio[0] = stdio[1] = stdio[2] = open(order->terminal, O_RDWR | O_CLOEXEC);
    if (stdio[0] < 0 || ioctl(stdio[0], TIOCSCTTY, 0) < 0) return -1;
  }
  for (int at = 0; at < 3; at++) if (dup2(stdio[at], at) < 0) return -1;
  return sigprocmask(SIG_SETMASK, none, 0);
}

static int enter_groups(struct order *order) {
  for (const char **group = order->groups; *group; group++) {
    int fd = open(*group, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) return -1;
    close(fd);
  }
  return 0;
}

static int set_limits(struct order *order) {
  for (word at = 0; at < order->limits_count; at++)
    if (setrlimit((int)order->limits[at][0], &order->limits[at][1]) < 0) return -1;
  return 0;
}

static int hide(struct order *order) {
  if (!*order->hidden) return 0;
  if (unshare(CLONE_NEWNS) < 0) return -1;
  // What the machine mounts later is seen, what is mounted here is not seen outside.
  if (mount(0, "/", 0, MS_REC | MS_SLAVE, 0) < 0) return -1;
  for (const char **path = order->hidden; *path; path++) {
    if (mount("none", *path, "tmpfs", MS_RDONLY, "size=4k,mode=000") == 0) continue;
    if (*__errno_location() != ENOTDIR || mount("/dev/null", *path, 0, MS_BIND, 0) < 0) return -1;
  }
  return 0;
}

static int protect(struct order *order) {
  if (hide(order) < 0) return -1;
  for (const word *capability = order->capabilities; *capability >= 0; capability++)
    if (prctl(PR_CAPBSET_DROP, *capability, 0L, 0L, 0L) < 0) return -1;
  if (order->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0) return -1;
  if (order->ruleset >= 0 && syscall(SYS_LANDLOCK_RESTRICT_SELF, order->ruleset, 0L) < 0) return -1;
  return 0;
}

static void close_others(void) {
  if (syscall(SYS_CLOSE_RANGE, 3L, 0x7fffffffL, (long)CLOSE_RANGE_CLOEXEC) == 0) return;
  for (int fd = 3; fd < DESCRIPTORS_MAX; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void become(struct order *order) {
  order->failed_step = SETUP;
  if (set_up(order) < 0) return;
  order->failed_step = FOLDER;
  if (chdir(order->folder) < 0) return;
  order->failed_step = GROUP;
  if (enter_groups(order) < 0) return;
  order->failed_step = LIMITS;
  if (set_limits(order) < 0) return;
  order->failed_step = PROTECTION;
  if (protect(order) < 0) return;
  close_others();
  order->failed_step = EXECUTE;
  // Without a file it was only to be seen whether the restrictions can be had.
  if (order->file) execve(order->file, order->argv, order->envp);
  else *__errno_location() = 0;
}

// The process id, or the negative error of the step that failed; 0 when there was no file and nothing failed.
word launch(struct order *order) {
  char all[128], before[128];
  for (int at = 0; at < 128; at++) all[at] = (char)0xff;
  volatile int error = 0;
  volatile int failed = 0;
  // No handler of this process may run in the child: until it is another program, they share their memory.
  sigprocmask(SIG_SETMASK, all, before);
  int pid = vfork();
  if (pid == 0) {
    become(order);
    error = *__errno_location();
    failed = 1;
    _exit(127);
  }
  if (pid < 0) error = *__errno_location();
  sigprocmask(SIG_SETMASK, before, 0);
  if (pid < 0) return -error;
  if (!failed) return pid;
  // Reaped here: the caller never hears of it.
  int status;
  waitpid(pid, &status, 0);
  return -error;
}
