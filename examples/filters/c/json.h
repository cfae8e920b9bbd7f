// As much of JSON as a configuration of texts needs.
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

// A text in UTF-8; not ended by a zero byte.
typedef struct {
  char *ptr;
  size_t len;
} text_t;

typedef enum {
  JSON_FOUND,
  JSON_ABSENT,
  JSON_NOT_TEXT,
  JSON_NOT_OBJECT,
  JSON_INVALID,
} json_result_t;

// Reads the text that `document`, a JSON object, has under `name`. The text is the caller's, to be freed.
json_result_t json_text(const char *document, size_t len, const char *name, text_t *text);

#endif
