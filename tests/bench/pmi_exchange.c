/* One task of a PMI-1 exchange: puts KEYS keys, enters the barrier, gets one key of each task, in turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int fd;
static char reply[2048];

static void ask(const char *line, const char *expected) {
  size_t length = strlen(line);
  if (write(fd, line, length) != (ssize_t)length) exit(2);
  ssize_t n = read(fd, reply, sizeof reply - 1);
  if (n <= 0) exit(3);
  reply[n] = 0;
  if (strncmp(reply, expected, strlen(expected))) { fprintf(stderr, "%s -> %s", line, reply); exit(4); }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  int keys = argc > 1 ? atoi(argv[1]) : 16, rank = atoi(getenv("PMI_RANK")), size = atoi(getenv("PMI_SIZE"));
  char line[256], expected[256];
  fd = atoi(getenv("PMI_FD"));
  ask("cmd=init pmi_version=1 pmi_subversion=1\n", "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n");
  ask("cmd=barrier_in\n", "cmd=barrier_out rc=0\n");
  double begin = now();
  for (int k = 0; k < keys; k++) {
    snprintf(line, sizeof line, "cmd=put kvsname=x key=card-%d-%d value=tcp://10.0.0.%d:%d\n", rank, k, rank, k);
    ask(line, "cmd=put_result rc=0");
  }
  ask("cmd=barrier_in\n", "cmd=barrier_out rc=0\n");
  for (int r = 0; r < size; r++) {
    snprintf(line, sizeof line, "cmd=get kvsname=x key=card-%d-%d\n", r, r % keys);
    snprintf(expected, sizeof expected, "cmd=get_result rc=0 value=tcp://10.0.0.%d:%d\n", r, r % keys);
    ask(line, expected);
  }
  ask("cmd=barrier_in\n", "cmd=barrier_out rc=0\n");
  if (rank == 0) printf("%.6f\n", now() - begin);
  ask("cmd=finalize\n", "cmd=finalize_ack rc=0\n");
  return 0;
}
