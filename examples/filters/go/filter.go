// Package filter greets the service, blocks who says so, and signs the response.
//
// Its exported functions are those of the interface `cairn:filter/hooks`: see wit/deps/cairn-filter/filter.wit. The packages
// below bindings are made by `cairn filter build`. An exchange is to be dropped before its hook returns.
package filter

import (
	"encoding/json"

	"example.com/filter/bindings/cairn_filter_exchanges"
	"example.com/filter/bindings/cairn_filter_types"
	wit "example.com/filter/bindings/wit/types"
)

type (
	exchange      = cairn_filter_exchanges.Exchange
	block         = cairn_filter_types.Block
	head          = cairn_filter_types.Head
	headVerdict   = cairn_filter_types.HeadVerdict
	bodyVerdict   = cairn_filter_types.BodyVerdict
	edit          = cairn_filter_types.Edit
	subscriptions = cairn_filter_types.Subscriptions
	line          = wit.Tuple2[string, []byte]
)

var greeting = "hello"

func Configure(config []byte, name string) wit.Result[subscriptions, string] {
	refuse := wit.Err[subscriptions, string]
	var document any
	if err := json.Unmarshal(config, &document); err != nil {
		return refuse("the configuration is not JSON: " + err.Error())
	}
	wanted, isObject := document.(map[string]any)
	if !isObject {
		return refuse("the configuration is not a JSON object")
	}
	if value, isThere := wanted["greeting"]; isThere {
		text, isText := value.(string)
		if !isText {
			return refuse("greeting: this is not a string")
		}
		greeting = text
	}
	// What is not asked for is not called and costs nothing.
	return wit.Ok[subscriptions, string](subscriptions{
		RequestHead:  cairn_filter_types.MakeInterestNamed([]string{"x-blocked"}),
		RequestBody:  cairn_filter_types.MakeBodyInterestNone(),
		ResponseHead: cairn_filter_types.MakeInterestNamed(nil),
		ResponseBody: cairn_filter_types.MakeBodyInterestNone(),
		Tick:         wit.None[uint32](),
	})
}

func OnRequestHead(exchange *exchange, head head) headVerdict {
	defer exchange.Drop()
	if _, isBlocked := field(head.Fields, "x-blocked"); isBlocked {
		return cairn_filter_types.MakeHeadVerdictReply(cairn_filter_types.LocalReply{
			Status:     403,
			Headers:    []line{{F0: "content-type", F1: []byte("text/plain")}},
			Body:       []byte("blocked\n"),
			GrpcStatus: wit.None[uint32](),
			Details:    "blocked",
		})
	}
	return nextWith("x-greeting", greeting)
}

func OnResponseHead(exchange *exchange, head head) headVerdict {
	defer exchange.Drop()
	return nextWith("x-filtered-by", "go")
}

// Hooks that Configure does not ask for are never called, but the contract wants them to be there.

func OnRequestBody(exchange *exchange, part []byte, end bool) bodyVerdict {
	defer exchange.Drop()
	return cairn_filter_types.MakeBodyVerdictPass()
}

func OnRequestTrailers(exchange *exchange, trailers block) []edit {
	defer exchange.Drop()
	return nil
}

func OnResponseBody(exchange *exchange, part []byte, end bool) bodyVerdict {
	defer exchange.Drop()
	return cairn_filter_types.MakeBodyVerdictPass()
}

func OnResponseTrailers(exchange *exchange, trailers block) []edit {
	defer exchange.Drop()
	return nil
}

func OnDone(exchange *exchange) {
	defer exchange.Drop()
}

// The verdict that lets a message go on with one line set.
func nextWith(name, value string) headVerdict {
	set := cairn_filter_types.MakeEditSet(line{F0: name, F1: []byte(value)})
	return cairn_filter_types.MakeHeadVerdictNext([]edit{set})
}

// The first value of a name in a head or in trailers: Bytes is name, value, name, value and so on, and Ends says where each
// of them ends.
func field(block block, name string) ([]byte, bool) {
	begin := uint32(0)
	for index := 0; index+1 < len(block.Ends); index += 2 {
		middle, end := block.Ends[index], block.Ends[index+1]
		if string(block.Bytes[begin:middle]) == name {
			return block.Bytes[middle:end], true
		}
		begin = end
	}
	return nil, false
}
