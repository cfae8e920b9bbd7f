// Greets the service, blocks who says so, and signs the response.
//
// `cairn filter build` makes bindings/filter.h of wit/: the functions to define and the types that they take and give.
// What a hook is given is its own, to be freed; what it gives is the caller's, who frees it.

#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "json.h"

static text_t greeting = {"hello", 5};

// The first value of a name in a head or in trailers: `bytes` is name, value, name, value and so on, and `ends` says where
// each of them ends.
static bool field(const cairn_filter_types_block_t *block, const char *name, filter_list_u8_t *value) {
  uint32_t begin = 0;
  for (size_t line = 0; line + 1 < block->ends.len; line += 2) {
    uint32_t middle = block->ends.ptr[line], end = block->ends.ptr[line + 1];
    if (middle - begin == strlen(name) && memcmp(block->bytes.ptr + begin, name, middle - begin) == 0) {
      *value = (filter_list_u8_t){block->bytes.ptr + middle, end - middle};
      return true;
    }
    begin = end;
  }
  return false;
}

// An instance that has come to the end of its memory traps, and the waypoint puts another in its place.
static void *allocate(size_t size) {
  void *memory = malloc(size);
  if (memory == NULL) {
    abort();
  }
  return memory;
}

static cairn_filter_types_field_t line(const char *name, const char *value, size_t len) {
  cairn_filter_types_field_t line;
  filter_string_t copy;
  filter_string_dup(&line.f0, name);
  filter_string_dup_n(&copy, value, len);
  line.f1 = (cairn_filter_types_field_value_t){copy.ptr, copy.len};
  return line;
}

// The verdict that lets a message go on with one line set.
static void next_with(const char *name, const char *value, size_t len, exports_cairn_filter_hooks_head_verdict_t *ret) {
  cairn_filter_types_edit_t *edit = allocate(sizeof *edit);
  edit->tag = CAIRN_FILTER_TYPES_EDIT_SET;
  edit->val.set = line(name, value, len);
  ret->tag = CAIRN_FILTER_TYPES_HEAD_VERDICT_NEXT;
  ret->val.next = (cairn_filter_types_list_edit_t){edit, 1};
}

bool exports_cairn_filter_hooks_configure(filter_list_u8_t *config, filter_string_t *name,
                                          exports_cairn_filter_hooks_subscriptions_t *ret, filter_string_t *err) {
  text_t wanted;
  json_result_t found = json_text((const char *)config->ptr, config->len, "greeting", &wanted);
  filter_list_u8_free(config);
  filter_string_free(name);
  switch (found) {
  case JSON_FOUND:
    greeting = wanted;
    break;
  case JSON_ABSENT:
    break;
  case JSON_NOT_TEXT:
    filter_string_dup(err, "greeting: this is not a string");
    return false;
  case JSON_NOT_OBJECT:
    filter_string_dup(err, "the configuration is not a JSON object");
    return false;
  case JSON_INVALID:
    filter_string_dup(err, "the configuration is not JSON");
    return false;
  }
  // What is not asked for is not called and costs nothing.
  memset(ret, 0, sizeof *ret);
  ret->request_head.tag = CAIRN_FILTER_TYPES_INTEREST_NAMED;
  ret->request_head.val.named = (cairn_filter_types_list_field_name_t){allocate(sizeof(filter_string_t)), 1};
  filter_string_dup(ret->request_head.val.named.ptr, "x-blocked");
  ret->response_head.tag = CAIRN_FILTER_TYPES_INTEREST_NAMED;
  return true;
}

void exports_cairn_filter_hooks_on_request_head(exports_cairn_filter_hooks_borrow_exchange_t exchange,
                                                exports_cairn_filter_hooks_head_t *head,
                                                exports_cairn_filter_hooks_head_verdict_t *ret) {
  filter_list_u8_t value;
  if (field(&head->fields, "x-blocked", &value)) {
    filter_string_t body;
    filter_string_dup(&body, "blocked\n");
    memset(ret, 0, sizeof *ret);
    ret->tag = CAIRN_FILTER_TYPES_HEAD_VERDICT_REPLY;
    ret->val.reply.status = 403;
    ret->val.reply.body = (filter_list_u8_t){body.ptr, body.len};
    ret->val.reply.headers = (cairn_filter_types_list_field_t){allocate(sizeof(cairn_filter_types_field_t)), 1};
    ret->val.reply.headers.ptr[0] = line("content-type", "text/plain", strlen("text/plain"));
    filter_string_dup(&ret->val.reply.details, "blocked");
  } else {
    next_with("x-greeting", greeting.ptr, greeting.len, ret);
  }
  exports_cairn_filter_hooks_head_free(head);
  cairn_filter_exchanges_exchange_drop_borrow(exchange);
}

void exports_cairn_filter_hooks_on_response_head(exports_cairn_filter_hooks_borrow_exchange_t exchange,
                                                 exports_cairn_filter_hooks_head_t *head,
                                                 exports_cairn_filter_hooks_head_verdict_t *ret) {
  next_with("x-filtered-by", "c", 1, ret);
  exports_cairn_filter_hooks_head_free(head);
  cairn_filter_exchanges_exchange_drop_borrow(exchange);
}

// Hooks that `configure` does not ask for are never called, but the contract wants them to be there.

void exports_cairn_filter_hooks_on_request_body(exports_cairn_filter_hooks_borrow_exchange_t exchange,
                                                filter_list_u8_t *part, bool end,
                                                exports_cairn_filter_hooks_body_verdict_t *ret) {
  (void)end;
  filter_list_u8_free(part);
  ret->tag = CAIRN_FILTER_TYPES_BODY_VERDICT_PASS;
  cairn_filter_exchanges_exchange_drop_borrow(exchange);
}

void exports_cairn_filter_hooks_on_request_trailers(exports_cairn_filter_hooks_borrow_exchange_t exchange,
                                                    exports_cairn_filter_hooks_block_t *trailers,
                                                    exports_cairn_filter_hooks_list_edit_t *ret) {
  exports_cairn_filter_hooks_block_free(trailers);
  *ret = (exports_cairn_filter_hooks_list_edit_t){NULL, 0};
  cairn_filter_exchanges_exchange_drop_borrow(exchange);
}

void exports_cairn_filter_hooks_on_response_body(exports_cairn_filter_hooks_borrow_exchange_t exchange,
                                                 filter_list_u8_t *part, bool end,
                                                 exports_cairn_filter_hooks_body_verdict_t *ret) {
  exports_cairn_filter_hooks_on_request_body(exchange, part, end, ret);
}

void exports_cairn_filter_hooks_on_response_trailers(exports_cairn_filter_hooks_borrow_exchange_t exchange,
                                                     exports_cairn_filter_hooks_block_t *trailers,
                                                     exports_cairn_filter_hooks_list_edit_t *ret) {
  exports_cairn_filter_hooks_on_request_trailers(exchange, trailers, ret);
}

void exports_cairn_filter_hooks_on_done(exports_cairn_filter_hooks_borrow_exchange_t exchange) {
  cairn_filter_exchanges_exchange_drop_borrow(exchange);
}
