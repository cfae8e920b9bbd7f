#include "json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Objects and arrays may be nested so deep: the stack of a filter is small.
enum { MAX_DEPTH = 64 };

typedef struct {
  const char *at;
  const char *end;
  int depth;
} reader_t;

static bool value(reader_t *reader);

static char peek(const reader_t *reader) { return reader->at < reader->end ? *reader->at : '\0'; }

static void blanks(reader_t *reader) {
  while (reader->at < reader->end && memchr(" \t\r\n", *reader->at, 4) != NULL) {
    reader->at++;
  }
}

// Takes a sign, with the blanks around it.
static bool sign(reader_t *reader, char wanted) {
  blanks(reader);
  if (reader->at == reader->end || *reader->at != wanted) {
    return false;
  }
  reader->at++;
  blanks(reader);
  return true;
}

static bool hex(reader_t *reader, uint32_t *code) {
  *code = 0;
  for (int digit = 0; digit < 4; digit++, reader->at++) {
    char c = peek(reader);
    if (c >= '0' && c <= '9') {
      *code = *code * 16 + (uint32_t)(c - '0');
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
      *code = *code * 16 + (uint32_t)((c | 0x20) - 'a' + 10);
    } else {
      return false;
    }
  }
  return true;
}

static size_t utf8(uint32_t code, char *to) {
  if (code < 0x80) {
    to[0] = (char)code;
    return 1;
  }
  size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const uint8_t lead[] = {0, 0xC0, 0xE0, 0xF0};
  to[0] = (char)(lead[more] | (code >> (6 * more)));
  for (size_t place = 1; place <= more; place++) {
    to[place] = (char)(0x80 | ((code >> (6 * (more - place))) & 0x3F));
  }
  return more + 1;
}

// What follows a backslash. Two escapes together stand for a character beyond the first 65,536.
static bool escape(reader_t *reader, text_t *text) {
  static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  char c = peek(reader);
  const char *known = c == '\0' ? NULL : strchr(escapes, c);
  reader->at++;
  if (known != NULL) {
    text->ptr[text->len++] = meant[known - escapes];
    return true;
  }
  uint32_t code, low;
  if (c != 'u' || !hex(reader, &code)) {
    return false;
  }
  if (code >= 0xD800 && code < 0xE000) {
    if (code >= 0xDC00 || reader->end - reader->at < 2 || memcmp(reader->at, "\\u", 2) != 0) {
      return false;
    }
    reader->at += 2;
    if (!hex(reader, &low) || low < 0xDC00 || low >= 0xE000) {
      return false;
    }
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  text->len += utf8(code, text->ptr + text->len);
  return true;
}

static bool string(reader_t *reader, text_t *text) {
  if (peek(reader) != '"') {
    return false;
  }
  reader->at++;
  // No escape is shorter than what it stands for.
  *text = (text_t){malloc((size_t)(reader->end - reader->at) + 1), 0};
  while (text->ptr != NULL && reader->at < reader->end) {
    char c = *reader->at++;
    if (c == '"') {
      return true;
    }
    if ((unsigned char)c < 0x20 || (c == '\\' && !escape(reader, text))) {
      break;
    }
    if (c != '\\') {
      text->ptr[text->len++] = c;
    }
  }
  free(text->ptr);
  *text = (text_t){NULL, 0};
  return false;
}

static bool digits(reader_t *reader) {
  const char *begin = reader->at;
  while (peek(reader) >= '0' && peek(reader) <= '9') {
    reader->at++;
  }
  return reader->at > begin;
}

static bool number(reader_t *reader) {
  if (peek(reader) == '-') {
    reader->at++;
  }
  bool zero = peek(reader) == '0';
  const char *begin = reader->at;
  if (!digits(reader) || (zero && reader->at > begin + 1)) {
    return false;
  }
  if (peek(reader) == '.') {
    reader->at++;
    if (!digits(reader)) {
      return false;
    }
  }
  if ((peek(reader) | 0x20) == 'e') {
    reader->at++;
    if (peek(reader) == '+' || peek(reader) == '-') {
      reader->at++;
    }
    return digits(reader);
  }
  return true;
}

static bool word(reader_t *reader, const char *wanted) {
  size_t len = strlen(wanted);
  if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, wanted, len) != 0) {
    return false;
  }
  reader->at += len;
  return true;
}

static bool name(reader_t *reader, text_t *text) {
  if (!string(reader, text)) {
    return false;
  }
  if (sign(reader, ':')) {
    return true;
  }
  free(text->ptr);
  return false;
}

static bool members(reader_t *reader, char close, bool named) {
  if (sign(reader, close)) {
    return true;
  }
  do {
    text_t key = {NULL, 0};
    if (named && !name(reader, &key)) {
      return false;
    }
    free(key.ptr);
    if (!value(reader)) {
      return false;
    }
  } while (sign(reader, ','));
  return sign(reader, close);
}

// Passes over a value of any kind.
static bool value(reader_t *reader) {
  text_t text;
  switch (peek(reader)) {
  case '"':
    if (!string(reader, &text)) {
      return false;
    }
    free(text.ptr);
    return true;
  case '{':
  case '[': {
    bool named = peek(reader) == '{';
    if (++reader->depth > MAX_DEPTH) {
      return false;
    }
    reader->at++;
    blanks(reader);
    bool whole = members(reader, named ? '}' : ']', named);
    reader->depth--;
    return whole;
  }
  case 't':
    return word(reader, "true");
  case 'f':
    return word(reader, "false");
  case 'n':
    return word(reader, "null");
  default:
    return number(reader);
  }
}

// The members of the document; the last one of a name counts.
static json_result_t find(reader_t *reader, const char *wanted, text_t *text) {
  json_result_t found = JSON_ABSENT;
  if (sign(reader, '}')) {
    return found;
  }
  do {
    text_t key;
    if (!name(reader, &key)) {
      return JSON_INVALID;
    }
    bool is_wanted = key.len == strlen(wanted) && memcmp(key.ptr, wanted, key.len) == 0;
    free(key.ptr);
    if (is_wanted) {
      free(text->ptr);
      *text = (text_t){NULL, 0};
      found = peek(reader) == '"' ? JSON_FOUND : JSON_NOT_TEXT;
    }
    if (!(is_wanted && found == JSON_FOUND ? string(reader, text) : value(reader))) {
      return JSON_INVALID;
    }
  } while (sign(reader, ','));
  return sign(reader, '}') ? found : JSON_INVALID;
}

json_result_t json_text(const char *document, size_t len, const char *wanted, text_t *text) {
  reader_t reader = {document, document + len, 0};
  *text = (text_t){NULL, 0};
  blanks(&reader);
  if (peek(&reader) != '{') {
    return value(&reader) && (blanks(&reader), reader.at == reader.end) ? JSON_NOT_OBJECT : JSON_INVALID;
  }
  reader.at++;
  blanks(&reader);
  json_result_t found = find(&reader, wanted, text);
  if (found != JSON_INVALID && reader.at < reader.end) {
    found = JSON_INVALID;
  }
  if (found != JSON_FOUND) {
    free(text->ptr);
    *text = (text_t){NULL, 0};
  }
  return found;
}
