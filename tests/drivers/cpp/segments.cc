// Segments, and queues in them.
#include "driver.hpp"

#include <algorithm>
#include <cstring>

namespace {

using mailboat::segment;

mailboat::segment_options options_of(const request &r) {
  mailboat::segment_options options;
  options.max_size = r.number("max_size", 0);
  options.mode = static_cast<std::uint32_t>(r.number("mode", 0));
  return options;
}

answer kept(const request &r, segment opened) {
  keep(table.segments, r.need("segment"), std::make_shared<segment>(std::move(opened)));
  return {};
}

answer create(const request &r) {
  const auto here = domain_here();
  const auto &name = r.need("name");
  const auto size = r.number("size");
  return kept(r, here ? segment::create(*here, name, size, options_of(r))
                      : segment::create(name, size, options_of(r)));
}

answer open(const request &r) {
  const auto here = domain_here();
  const auto &name = r.need("name");
  const auto as =
      r.get("access") == "read" ? mailboat::access::read_only : mailboat::access::read_write;
  return kept(r, here ? segment::open(*here, name, as) : segment::open(name, as));
}

answer open_or_create(const request &r) {
  const auto here = domain_here();
  const auto &name = r.need("name");
  const auto size = r.number("size");
  return kept(r, here ? segment::open_or_create(*here, name, size, options_of(r))
                      : segment::open_or_create(name, size, options_of(r)));
}

answer remove(const request &r) {
  const auto here = domain_here();
  here ? segment::remove(*here, r.need("name")) : segment::remove(r.need("name"));
  return {};
}

answer close(const request &r) {
  take_out(table.segments, r.need("segment"));
  return {};
}

answer stat(const request &r) {
  const auto s = segment_of(r);
  return answer()
      .say("size", s->size())
      .say("max_size", s->max_size())
      .say("name", s->name())
      .say("access", s->how() == mailboat::access::read_only ? "read" : "write")
      .say("deleted", std::uint64_t{s->is_deleted()});
}

answer grow(const request &r) {
  segment_of(r)->grow(r.number("size"));
  return {};
}

answer read(const request &r) {
  body_bytes bytes(r.number("length"));
  segment_of(r)->read(r.number("offset"), bytes);
  return answer().body(bytes.data(), bytes.size());
}

answer write(const request &r) {
  segment_of(r)->write(r.number("offset"), r.body());
  return {};
}

void check_range(std::uint64_t offset, std::size_t length, std::size_t size) {
  if (offset + length > size) throw protocol_error("beyond the segment");
}

answer look(const request &r) {
  const std::shared_ptr<const segment> s = segment_of(r);
  const auto memory = s->bytes();
  const auto offset = r.number("offset");
  const auto length = r.number("length");
  check_range(offset, length, memory.size());
  return answer().body(memory.data() + offset, length);
}

answer fill(const request &r) {
  const auto memory = segment_of(r)->bytes();
  const auto &body = r.body();
  const auto offset = r.number("offset");
  check_range(offset, body.size(), memory.size());
  std::copy(body.begin(), body.end(), memory.data() + offset);
  return {};
}

/* ---- queues ---- */

answer queue_size(const request &r) {
  return answer().say("size", mailboat::queue::required_size(port_options(r)));
}

answer kept_queue(const request &r, mailboat::queue queue) {
  keep(table.handles, r.need("handle"), std::make_shared<mailboat::queue>(std::move(queue)));
  return {};
}

answer queue_create(const request &r) {
  return kept_queue(
      r, mailboat::queue::create(*segment_of(r), r.number("offset"), port_options(r)));
}

answer queue_open(const request &r) {
  return kept_queue(r, mailboat::queue::open(*segment_of(r), r.number("offset")));
}

answer queue_shut(const request &r) {
  handle_of(r)->shut();
  return {};
}

} // namespace

const verbs &segment_verbs() {
  static const verbs all{
      {"segment_create", create},
      {"segment_open", open},
      {"segment_open_or_create", open_or_create},
      {"segment_delete", remove},
      {"segment_close", close},
      {"segment_stat", stat},
      {"segment_grow", grow},
      {"segment_read", read},
      {"segment_write", write},
      {"segment_look", look},
      {"segment_fill", fill},
      {"queue_size", queue_size},
      {"queue_create", queue_create},
      {"queue_open", queue_open},
      {"queue_shut", queue_shut},
  };
  return all;
}
