// Greets the service, blocks who says so, and signs the response.
//
// The functions of `hooks` are those of the interface `cairn:filter/hooks`, in camel case: see
// wit/deps/cairn-filter/filter.wit. A variant is an object with `tag` and `val`, an option is the value or `undefined`, a
// list of bytes is a Uint8Array, and the error of a result is thrown.

let greeting = "hello";

export const hooks = {
  configure(config, _name) {
    let wanted;
    try {
      wanted = JSON.parse(text(config));
    } catch (error) {
      throw `the configuration is not JSON: ${error.message}`;
    }
    if (wanted === null || typeof wanted !== "object" || Array.isArray(wanted)) {
      throw "the configuration is not a JSON object";
    }
    if (wanted.greeting !== undefined) {
      if (typeof wanted.greeting !== "string") {
        throw "greeting: this is not a string";
      }
      greeting = wanted.greeting;
    }
    return {
      // What is not asked for is not called and costs nothing.
      requestHead: { tag: "named", val: ["x-blocked"] },
      requestBody: { tag: "none" },
      requestTrailers: false,
      responseHead: { tag: "named", val: [] },
      responseBody: { tag: "none" },
      responseTrailers: false,
      done: false,
      tick: undefined,
    };
  },

  onRequestHead(_exchange, head) {
    if (field(head.fields, "x-blocked") !== undefined) {
      const reply = {
        status: 403,
        headers: [["content-type", bytes("text/plain")]],
        body: bytes("blocked\n"),
        grpcStatus: undefined,
        details: "blocked",
      };
      return { tag: "reply", val: reply };
    }
    return { tag: "next", val: [{ tag: "set", val: ["x-greeting", bytes(greeting)] }] };
  },

  onResponseHead(_exchange, _head) {
    return { tag: "next", val: [{ tag: "set", val: ["x-filtered-by", bytes("javascript")] }] };
  },

  // Hooks that `configure` does not ask for are never called, but the contract wants them to be there.
  onRequestBody: (_exchange, _part, _end) => ({ tag: "pass" }),
  onRequestTrailers: (_exchange, _trailers) => [],
  onResponseBody: (_exchange, _part, _end) => ({ tag: "pass" }),
  onResponseTrailers: (_exchange, _trailers) => [],
  onDone(_exchange) {},
};

// The first value of a name in a head or in trailers: `bytes` is name, value, name, value and so on, and `ends` says where
// each of them ends.
function field(block, name) {
  let begin = 0;
  for (let line = 0; line + 1 < block.ends.length; line += 2) {
    const [middle, end] = [block.ends[line], block.ends[line + 1]];
    if (text(block.bytes.subarray(begin, middle)) === name) {
      return block.bytes.subarray(middle, end);
    }
    begin = end;
  }
  return undefined;
}

// There is no TextDecoder and no TextEncoder here: this is the language without a browser around it.
function text(utf8) {
  const escaped = Array.from(utf8, (byte) => "%" + byte.toString(16).padStart(2, "0"));
  return decodeURIComponent(escaped.join(""));
}

function bytes(text) {
  const escaped = encodeURIComponent(text).match(/%..|./g) ?? [];
  return Uint8Array.from(escaped, (unit) => (unit.length === 3 ? parseInt(unit.slice(1), 16) : unit.charCodeAt(0)));
}
