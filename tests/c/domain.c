/* Domains: opening, options, figures, lists. */
#include "harness.h"

#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* A path beside the program's own domain, so that whoever runs the program can remove both. */
static const char *beside(const char *suffix) {
  static char path[500];
  snprintf(path, sizeof path, "%s-%s", getenv("MAILBOAT_DOMAIN"), suffix);
  return path;
}

static void default_is_what_the_environment_says(void) {
  mb_domain *domain = NULL;
  OK(mb_domain_open(NULL, &domain));
  CHECK(strcmp(mb_domain_path(domain), getenv("MAILBOAT_DOMAIN")) == 0);
  OK(mb_domain_close(domain));
}

static void opens_by_path_and_makes_it_private(void) {
  mb_domain *domain = NULL;
  struct stat found;
  OK(mb_domain_open(beside("a"), &domain));
  CHECK(strcmp(mb_domain_path(domain), beside("a")) == 0);
  CHECK(stat(mb_domain_path(domain), &found) == 0);
  CHECK(S_ISDIR(found.st_mode) && (found.st_mode & 0777) == 0700);
  OK(mb_domain_close(domain));
}

static void refuses_bad_places(void) {
  mb_domain *domain = MISALIGNED(mb_domain *);
  EXPECT(MB_BAD_NAME, mb_domain_open("", &domain));
  EXPECT(MB_BAD_NAME, mb_domain_open("not/absolute", &domain));
  EXPECT(MB_BAD_NAME, mb_domain_open(".hidden", &domain));
  EXPECT(MB_BAD_DOMAIN, mb_domain_open("/proc/self/mailboat", &domain));
  INVALID("location", mb_domain_open("/dev/shm/\xff", &domain));
  CHECK(domain == MISALIGNED(mb_domain *)); /* outputs are written only on success */
}

static void refuses_a_directory_open_to_others(void) {
  mb_domain *domain = NULL;
  char path[500];
  snprintf(path, sizeof path, "%s", beside("open"));
  CHECK(mkdir(path, 0700) == 0 && chmod(path, 0777) == 0);
  EXPECT(MB_NOT_PERMITTED, mb_domain_open(path, &domain));
  SAYS(path);
}

static void refuses_a_symlink(void) {
  mb_domain *domain = NULL;
  char path[500];
  snprintf(path, sizeof path, "%s", beside("link"));
  CHECK(symlink("/dev/shm", path) == 0);
  EXPECT(MB_BAD_DOMAIN, mb_domain_open(path, &domain));
  CHECK(unlink(path) == 0);
}

static void options_make_a_shared_domain(void) {
  mb_domain_options options = MB_DOMAIN_OPTIONS_INIT;
  mb_domain_stats stats = MB_DOMAIN_STATS_INIT;
  mb_domain *domain = NULL;
  struct stat found;
  options.location = beside("shared");
  options.flags = MB_DOMAIN_SHARED;
  options.gid = (uint32_t)getgid();
  options.mode = 0770;
  options.max_tasks = 10;
  OK(mb_domain_open_with(&options, &domain));
  CHECK(stat(mb_domain_path(domain), &found) == 0);
  CHECK((found.st_mode & 0777) == 0770 && found.st_gid == getgid());
  OK(mb_domain_stat(domain, &stats));
  CHECK(stats.flags == MB_DOMAIN_SHARED && stats.mode == 0770 && stats.gid == getgid());
  CHECK(stats.max_tasks == 10);
  OK(mb_domain_close(domain));
}

static void options_without_anything_are_the_default(void) {
  mb_domain_options options = MB_DOMAIN_OPTIONS_INIT;
  mb_domain *domain = NULL;
  OK(mb_domain_open_with(&options, &domain));
  CHECK(strcmp(mb_domain_path(domain), getenv("MAILBOAT_DOMAIN")) == 0);
  OK(mb_domain_close(domain));
  OK(mb_domain_open_with(NULL, &domain));
  OK(mb_domain_close(domain));
}

static void bad_options_are_refused(void) {
  mb_domain_options good = MB_DOMAIN_OPTIONS_INIT, bad;
  mb_domain *domain = MISALIGNED(mb_domain *);
  bad = good, bad.size = 0;
  INVALID("size", mb_domain_open_with(&bad, &domain));
  bad = good, bad.size = sizeof bad - 1;
  INVALID("mb_domain_options", mb_domain_open_with(&bad, &domain));
  bad = good, bad.flags = 2;
  INVALID("flags", mb_domain_open_with(&bad, &domain));
  bad = good, bad.gid = 5;
  INVALID("MB_DOMAIN_SHARED", mb_domain_open_with(&bad, &domain));
  bad = good, bad.mode = 0770;
  INVALID("MB_DOMAIN_SHARED", mb_domain_open_with(&bad, &domain));
  INVALID("misaligned", mb_domain_open_with(MISALIGNED(mb_domain_options *), &domain));
  INVALID("domain is NULL", mb_domain_open_with(&good, NULL));
  INVALID("domain is misaligned", mb_domain_open_with(&good, MISALIGNED(mb_domain **)));
  CHECK(domain == MISALIGNED(mb_domain *));
}

static void task_ids_are_steady_and_listed(void) {
  mb_domain *domain = NULL, *again = NULL;
  mb_tasks *tasks = NULL;
  uint64_t id = 0, same = 0;
  size_t found = 0;
  OK(mb_domain_open(NULL, &domain));
  OK(mb_domain_open(NULL, &again));
  OK(mb_domain_task(domain, &id));
  OK(mb_domain_task(again, &same));
  CHECK(id != 0 && id == same);
  OK(mb_domain_tasks(domain, &tasks));
  for (size_t i = 0; i < mb_tasks_count(tasks); i++) {
    const mb_task *task = mb_tasks_at(tasks, i);
    CHECK(task->size == sizeof(mb_task));
    if (task->id != id) continue;
    CHECK(task->pid == (uint32_t)getpid() && task->alive == 1 && task->since_ns > 0);
    CHECK(strstr(task->program, "domain") != NULL);
    found++;
  }
  CHECK(found == 1);
  CHECK(mb_tasks_at(tasks, mb_tasks_count(tasks)) == NULL);
  SAYS("index");
  OK(mb_tasks_free(tasks));
  OK(mb_domain_close(again));
  OK(mb_domain_close(domain));
}

static void lists_ports_and_segments(void) {
  mb_domain *domain = NULL;
  mb_entries *entries = NULL;
  mb_port *port = NULL;
  mb_segment *segment = NULL;
  int ports = 0, segments = 0;
  OK(mb_domain_open(beside("list"), &domain));
  OK(mb_domain_list(domain, &entries));
  CHECK(mb_entries_count(entries) == 0);
  OK(mb_entries_free(entries));
  OK(mb_port_create_in(domain, "listed-port", NULL, &port));
  OK(mb_segment_create_in(domain, "listed-segment", 5000, NULL, &segment));
  OK(mb_domain_list(domain, &entries));
  CHECK(mb_entries_count(entries) == 2);
  for (size_t i = 0; i < 2; i++) {
    const mb_entry *entry = mb_entries_at(entries, i);
    CHECK(entry->size == sizeof(mb_entry));
    CHECK(entry->uid == getuid() && entry->mode == 0600 && entry->bytes > 0);
    if (entry->kind == MB_KIND_PORT) {
      CHECK(strcmp(entry->name, "listed-port") == 0);
      ports++;
    } else {
      CHECK(entry->kind == MB_KIND_SEGMENT);
      CHECK(strcmp(entry->name, "listed-segment") == 0);
      segments++;
    }
  }
  CHECK(ports == 1 && segments == 1);
  CHECK(mb_entries_at(entries, 2) == NULL);
  SAYS("index");
  OK(mb_entries_free(entries));
  OK(mb_segment_close(segment));
  OK(mb_port_close(port));
  OK(mb_port_delete_in(domain, "listed-port"));
  OK(mb_segment_delete_in(domain, "listed-segment"));
  OK(mb_domain_close(domain));
}

static void figures(void) {
  mb_domain *domain = NULL;
  mb_domain_stats stats = MB_DOMAIN_STATS_INIT;
  struct {
    mb_domain_stats stats;
    uint64_t later;
  } longer = {MB_DOMAIN_STATS_INIT, 7};
  uint64_t id;
  OK(mb_domain_open(NULL, &domain));
  OK(mb_domain_task(domain, &id));
  OK(mb_domain_stat(domain, &stats));
  CHECK(stats.size == sizeof stats);
  CHECK(stats.tasks >= 1 && stats.max_tasks >= stats.tasks);
  CHECK(stats.space_total >= stats.space_available && stats.space_total > 0);
  CHECK(stats.flags == 0 && stats.gid == 0 && stats.mode == 0);
  /* A program of a later version asks for more: what this version does not know becomes 0. */
  longer.stats.size = sizeof longer;
  OK(mb_domain_stat(domain, &longer.stats));
  CHECK(longer.stats.size == sizeof longer && longer.later == 0);
  CHECK(longer.stats.max_tasks == stats.max_tasks);
  stats.size = 8;
  INVALID("mb_domain_stats", mb_domain_stat(domain, &stats));
  OK(mb_domain_close(domain));
}

static void bad_arguments_are_named(void) {
  mb_domain *domain = NULL;
  OK(mb_domain_open(NULL, &domain));
  INVALID("domain is NULL", mb_domain_open(NULL, NULL));
  INVALID("domain is misaligned", mb_domain_open(NULL, MISALIGNED(mb_domain **)));
  INVALID("domain is NULL", mb_domain_close(NULL));
  INVALID("domain is misaligned", mb_domain_close(MISALIGNED(mb_domain *)));
  CHECK(mb_domain_path(NULL) == NULL);
  SAYS("domain is NULL");
  CHECK(mb_domain_path(MISALIGNED(mb_domain *)) == NULL);
  SAYS("domain is misaligned");
  INVALID("domain is NULL", mb_domain_task(NULL, NULL));
  INVALID("task is NULL", mb_domain_task(domain, NULL));
  INVALID("task is misaligned", mb_domain_task(domain, MISALIGNED(uint64_t *)));
  INVALID("domain is NULL", mb_domain_stat(NULL, NULL));
  INVALID("stats is NULL", mb_domain_stat(domain, NULL));
  INVALID("misaligned", mb_domain_stat(domain, MISALIGNED(mb_domain_stats *)));
  INVALID("domain is NULL", mb_domain_list(NULL, NULL));
  INVALID("entries is NULL", mb_domain_list(domain, NULL));
  INVALID("entries is misaligned", mb_domain_list(domain, MISALIGNED(mb_entries **)));
  INVALID("entries is NULL", mb_entries_free(NULL));
  CHECK(mb_entries_count(NULL) == 0);
  SAYS("entries is NULL");
  CHECK(mb_entries_at(NULL, 0) == NULL);
  SAYS("entries is NULL");
  INVALID("domain is NULL", mb_domain_tasks(NULL, NULL));
  INVALID("tasks is NULL", mb_domain_tasks(domain, NULL));
  INVALID("tasks is misaligned", mb_domain_tasks(domain, MISALIGNED(mb_tasks **)));
  INVALID("tasks is NULL", mb_tasks_free(NULL));
  CHECK(mb_tasks_count(NULL) == 0);
  SAYS("tasks is NULL");
  CHECK(mb_tasks_at(NULL, 0) == NULL);
  SAYS("tasks is NULL");
  OK(mb_domain_close(domain));
}

int main(void) {
  RUN(default_is_what_the_environment_says);
  RUN(opens_by_path_and_makes_it_private);
  RUN(refuses_bad_places);
  RUN(refuses_a_directory_open_to_others);
  RUN(refuses_a_symlink);
  RUN(options_make_a_shared_domain);
  RUN(options_without_anything_are_the_default);
  RUN(bad_options_are_refused);
  RUN(task_ids_are_steady_and_listed);
  RUN(lists_ports_and_segments);
  RUN(figures);
  RUN(bad_arguments_are_named);
  return 0;
}
