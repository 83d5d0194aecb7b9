/* Status texts, the version, and the last error of each thread. */
#include "harness.h"

#include <pthread.h>

static void every_status_has_its_words(void) {
  CHECK(strcmp(mb_status_text(MB_OK), "ok") == 0);
  for (mb_status status = MB_OK; status <= MB_INTERNAL; status++) {
    const char *text = mb_status_text(status);
    CHECK(text != NULL && text[0] != '\0');
    CHECK(strcmp(text, "unknown status") != 0);
    for (mb_status other = MB_OK; other < status; other++) {
      CHECK(strcmp(text, mb_status_text(other)) != 0);
    }
  }
  CHECK(strcmp(mb_status_text(MB_INTERNAL + 1), "unknown status") == 0);
  CHECK(strcmp(mb_status_text(-1), "unknown status") == 0);
}

static void header_and_library_are_of_one_version(void) {
  char numbers[40];
  CHECK(strcmp(mb_version(), MB_HEADER_VERSION) == 0);
  snprintf(numbers, sizeof numbers, "%d.%d.%d", MB_HEADER_VERSION_MAJOR, MB_HEADER_VERSION_MINOR,
           MB_HEADER_VERSION_PATCH);
  CHECK(strncmp(MB_HEADER_VERSION, numbers, strlen(numbers)) == 0);
}

static void no_error_at_first(void) {
  CHECK(strcmp(mb_last_error(), "") == 0);
  CHECK(mb_last_error_bytes() == 0);
  CHECK(mb_last_error_errno() == 0);
}

static void *in_a_thread(void *unused) {
  (void)unused;
  CHECK(strcmp(mb_last_error(), "") == 0);
  EXPECT(MB_NOT_FOUND, mb_port_delete("the-other"));
  SAYS("the-other");
  return NULL;
}

static void each_thread_has_its_own(void) {
  pthread_t thread;
  EXPECT(MB_NOT_FOUND, mb_port_delete("the-one"));
  SAYS("the-one");
  CHECK(pthread_create(&thread, NULL, in_a_thread, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  SAYS("the-one");
}

static void success_leaves_it(void) {
  mb_port *port;
  EXPECT(MB_NOT_FOUND, mb_port_delete("nothing"));
  port = make_port("something", 1);
  SAYS("nothing");
  end_port(port, "something");
}

static void the_text_stays_until_the_next_failure(void) {
  const char *text;
  EXPECT(MB_NOT_FOUND, mb_port_delete("stays"));
  text = mb_last_error();
  CHECK(mb_last_error() == text);
  CHECK(strstr(text, "stays") != NULL);
}

int main(void) {
  RUN(no_error_at_first);
  RUN(every_status_has_its_words);
  RUN(header_and_library_are_of_one_version);
  RUN(each_thread_has_its_own);
  RUN(success_leaves_it);
  RUN(the_text_stays_until_the_next_failure);
  return 0;
}
