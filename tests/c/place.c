/* What stands at an object's place and is not one: every such thing has its own status, and is left
 * as it was. The files of a domain are named after their objects, and begin with a magic number and
 * the version of their layout. */
#include "harness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[600], other[600];

/* Where the file of an object is. */
static const char *place(const char *name, const char *kind) {
  snprintf(path, sizeof path, "%s/%s.%s", getenv("MAILBOAT_DOMAIN"), name, kind);
  return path;
}

static const char *elsewhere(void) {
  snprintf(other, sizeof other, "%s-elsewhere", getenv("MAILBOAT_DOMAIN"));
  return other;
}

/* A port and a segment of this name, closed. */
static void make_both(const char *name) {
  mb_segment *segment = NULL;
  OK(mb_port_close(make_port(name, 1)));
  OK(mb_segment_create(name, 4096, NULL, &segment));
  OK(mb_segment_close(segment));
}

static void overwrite(const char *name, const char *kind, off_t at, const char *bytes) {
  const int file = open(place(name, kind), O_WRONLY);
  CHECK(file >= 0);
  CHECK(pwrite(file, bytes, strlen(bytes), at) == (ssize_t)strlen(bytes));
  CHECK(close(file) == 0);
}

static void both_give(mb_status status, const char *name, const char *word) {
  mb_port *port = MISALIGNED(mb_port *);
  mb_segment *segment = MISALIGNED(mb_segment *);
  EXPECT(status, mb_port_open(name, &port));
  SAYS(name);
  SAYS(word);
  EXPECT(status, mb_port_open_or_create(name, NULL, &port));
  EXPECT(status, mb_segment_open(name, MB_READ_WRITE, &segment));
  SAYS(name);
  SAYS(word);
  EXPECT(status, mb_segment_open(name, MB_READ_ONLY, &segment));
  CHECK(port == MISALIGNED(mb_port *) && segment == MISALIGNED(mb_segment *));
}

static void a_wrong_magic_number(void) {
  make_both("magic");
  overwrite("magic", "port", 0, "notours!");
  overwrite("magic", "segment", 0, "notours!");
  both_give(MB_CORRUPT, "magic", "magic number");
  OK(mb_port_delete("magic")); /* what is no use can be removed */
  OK(mb_segment_delete("magic"));
}

static void another_layout_version(void) {
  make_both("version");
  overwrite("version", "port", 8, "\x7b");
  overwrite("version", "segment", 8, "\x7b");
  both_give(MB_VERSION, "version", "123");
  OK(mb_port_delete("version"));
  OK(mb_segment_delete("version"));
}

static void a_file_that_was_cut_short(void) {
  static const off_t lengths[] = {0, 7, 100, 4095, 4096, 8192};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    make_both("short");
    CHECK(truncate(place("short", "port"), lengths[i]) == 0);
    CHECK(truncate(place("short", "segment"), lengths[i]) == 0);
    both_give(MB_CORRUPT, "short", "bytes");
    OK(mb_port_delete("short"));
    OK(mb_segment_delete("short"));
  }
}

static void a_port_in_a_segments_place(void) {
  char from[600];
  mb_segment *segment = NULL;
  OK(mb_port_close(make_port("kind", 1)));
  snprintf(from, sizeof from, "%s", place("kind", "port"));
  CHECK(rename(from, place("kind", "segment")) == 0);
  EXPECT(MB_CORRUPT, mb_segment_open("kind", MB_READ_WRITE, &segment));
  SAYS("kind");
  OK(mb_segment_delete("kind"));
}

static void a_symlink(void) {
  make_both("target");
  CHECK(symlink("target.port", place("link", "port")) == 0);
  CHECK(symlink("target.segment", place("link", "segment")) == 0);
  both_give(MB_WRONG_TYPE, "link", "symbolic link");
  EXPECT(MB_WRONG_TYPE, mb_port_delete("link"));
  CHECK(unlink(place("link", "port")) == 0 && unlink(place("link", "segment")) == 0);
  OK(mb_port_delete("target"));
  OK(mb_segment_delete("target"));
}

static void a_second_link(void) {
  make_both("links");
  CHECK(link(place("links", "port"), elsewhere()) == 0);
  {
    mb_port *port = NULL;
    EXPECT(MB_WRONG_TYPE, mb_port_open("links", &port));
    SAYS("2 links");
    EXPECT(MB_ALREADY_EXISTS, mb_port_create("links", NULL, &port));
  }
  CHECK(unlink(elsewhere()) == 0);
  CHECK(link(place("links", "segment"), elsewhere()) == 0);
  {
    mb_segment *segment = NULL;
    EXPECT(MB_WRONG_TYPE, mb_segment_open("links", MB_READ_ONLY, &segment));
    SAYS("2 links");
  }
  CHECK(unlink(elsewhere()) == 0);
  OK(mb_port_delete("links")); /* good again */
  OK(mb_segment_delete("links"));
}

static void a_directory_and_a_fifo(void) {
  CHECK(mkdir(place("odd", "port"), 0700) == 0);
  CHECK(mkfifo(place("odd", "segment"), 0600) == 0);
  {
    mb_port *port = NULL;
    mb_segment *segment = NULL;
    EXPECT(MB_WRONG_TYPE, mb_port_open("odd", &port));
    SAYS("directory");
    EXPECT(MB_WRONG_TYPE, mb_segment_open("odd", MB_READ_ONLY, &segment));
    EXPECT(MB_WRONG_TYPE, mb_segment_open("odd", MB_READ_WRITE, &segment));
  }
  CHECK(rmdir(place("odd", "port")) == 0 && unlink(place("odd", "segment")) == 0);
}

static void a_foreign_owner(void) {
  mb_port *port = NULL;
  mb_domain *domain = NULL;
  if (geteuid() != 0) return; /* only root can give files away */
  OK(mb_port_close(make_port("foreign", 1)));
  CHECK(chown(place("foreign", "port"), 12345, (gid_t)-1) == 0);
  EXPECT(MB_NOT_PERMITTED, mb_port_open("foreign", &port));
  SAYS("12345");
  CHECK(chown(place("foreign", "port"), 0, (gid_t)-1) == 0);
  OK(mb_port_delete("foreign"));
  CHECK(mkdir(elsewhere(), 0700) == 0 && chown(elsewhere(), 12345, (gid_t)-1) == 0);
  EXPECT(MB_NOT_PERMITTED, mb_domain_open(elsewhere(), &domain));
  SAYS("12345");
  CHECK(rmdir(elsewhere()) == 0); /* nothing was left in it */
}

static void not_on_tmpfs(void) {
  mb_domain *domain = NULL;
  struct stat here;
  EXPECT(MB_BAD_DOMAIN, mb_domain_open("/", &domain));
  EXPECT(MB_BAD_DOMAIN, mb_domain_open("/proc", &domain));
  EXPECT(MB_BAD_DOMAIN, mb_domain_open("/proc/self/comm", &domain));
  EXPECT(MB_BAD_DOMAIN, mb_domain_open("/nonexistent/place", &domain));
  CHECK(stat("/nonexistent", &here) != 0);
}

int main(void) {
  RUN(a_wrong_magic_number);
  RUN(another_layout_version);
  RUN(a_file_that_was_cut_short);
  RUN(a_port_in_a_segments_place);
  RUN(a_symlink);
  RUN(a_second_link);
  RUN(a_directory_and_a_fifo);
  RUN(a_foreign_owner);
  RUN(not_on_tmpfs);
  return 0;
}
