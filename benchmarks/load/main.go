// Load keeps gRPC calls in flight: an order per line on stdin, what came of it per line on stdout.
//
// It sends one prebuilt message in which every call gets a request id of its own, and every
// connection a grant of its own. It looks at every answer: status, length and sum of its bytes.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const hexDigits = "0123456789abcdef"

// windowBytes is above 64 KiB, which switches grpc-go's bandwidth probes off: pings that the server
// would have to answer.
const windowBytes = 4 << 20

// order is what is to be done.
type order struct {
	Address     string  `json:"address"`
	Method      string  `json:"method"`
	Message     string  `json:"message"`
	RequestIDAt int     `json:"request_id_at"` // where the 36 characters of a UUID stand, -1 for none
	GrantAt     int     `json:"grant_at"`      // where the digit of the grant stands, -1 for none
	Connections int     `json:"connections"`
	Streams     int     `json:"streams"`
	Seconds     float64 `json:"seconds"` // how long calls begin
	Calls       int64   `json:"calls"`   // longer, until so many have begun
	Most        float64 `json:"most"`    // but no longer than so many seconds
	Length      int     `json:"length"`  // of the right answer
	Sum         uint64  `json:"sum"`     // of its bytes, whatever their order
	Anew        bool    `json:"anew"`    // over new connections, closed at the end
}

// outcome is what came of it.
type outcome struct {
	Calls    int            `json:"calls"`
	Seconds  float64        `json:"seconds"`
	P50      float64        `json:"p50_us"`
	P99      float64        `json:"p99_us"`
	Statuses map[string]int `json:"statuses"`
	Unequal  int            `json:"unequal"`
}

// raw passes messages on as bytes.
type raw struct{}

func (raw) Name() string                  { return "proto" }
func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(d []byte, v any) error {
	*v.(*[]byte) = append((*v.(*[]byte))[:0], d...)
	return nil
}

// worker is one call after the other.
type worker struct {
	times    []time.Duration
	statuses map[string]int
	unequal  int
}

func (w *worker) work(connection *grpc.ClientConn, o order, message []byte, goesOn func() bool) {
	answer := []byte{}
	for goesOn() {
		// The transport may still read what it was given before.
		sent := slices.Clone(message)
		if o.RequestIDAt >= 0 {
			fillUUID(sent[o.RequestIDAt : o.RequestIDAt+36])
		}
		began := time.Now()
		err := connection.Invoke(context.Background(), o.Method, &sent, &answer, grpc.ForceCodec(raw{}))
		w.times = append(w.times, time.Since(began))
		w.statuses[status.Code(err).String()]++
		if err == nil && (len(answer) != o.Length || sumOf(answer) != o.Sum) {
			w.unequal++
		}
	}
}

func fillUUID(place []byte) {
	bits, left := uint64(0), 0
	for i, c := range place {
		if c == '-' || i == 14 || i == 19 { // dashes, version and variant stay
			continue
		}
		if left == 0 {
			bits, left = rand.Uint64(), 16
		}
		place[i] = hexDigits[bits&15]
		bits, left = bits>>4, left-1
	}
}

func sumOf(data []byte) (sum uint64) {
	for _, b := range data {
		sum += uint64(b)
	}
	return sum
}

// connections are kept from order to order, as a caller would keep them.
var connections = map[string][]*grpc.ClientConn{}

func connectionsTo(address string, count int) ([]*grpc.ClientConn, error) {
	name := fmt.Sprintf("%s x %d", address, count)
	for len(connections[name]) < count {
		connection, err := grpc.NewClient(
			"passthrough:///"+address,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithInitialWindowSize(windowBytes),
			grpc.WithInitialConnWindowSize(windowBytes),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)),
			grpc.WithIdleTimeout(0),
		)
		if err != nil {
			return nil, err
		}
		connections[name] = append(connections[name], connection)
	}
	return connections[name], nil
}

func closeAll(address string, count int) {
	name := fmt.Sprintf("%s x %d", address, count)
	for _, connection := range connections[name] {
		connection.Close()
	}
	delete(connections, name)
}

func carryOut(o order) (*outcome, error) {
	message, err := base64.StdEncoding.DecodeString(o.Message)
	if err != nil {
		return nil, err
	}
	conns, err := connectionsTo(o.Address, o.Connections)
	if err != nil {
		return nil, err
	}
	if o.Anew {
		defer closeAll(o.Address, o.Connections)
	}
	workers := make([]worker, o.Connections*o.Streams)
	began := time.Now()
	var begun atomic.Int64
	goesOn := func() bool {
		took := time.Since(began).Seconds()
		return took < o.Most && (begun.Add(1) <= o.Calls || took < o.Seconds)
	}
	var all sync.WaitGroup
	for i := range workers {
		workers[i].statuses = map[string]int{}
		own := slices.Clone(message)
		if o.GrantAt >= 0 {
			own[o.GrantAt] = hexDigits[i%o.Connections%16]
		}
		all.Add(1)
		go func() {
			defer all.Done()
			workers[i].work(conns[i%o.Connections], o, own, goesOn)
		}()
	}
	all.Wait()
	return told(workers, time.Since(began)), nil
}

func told(workers []worker, took time.Duration) *outcome {
	result := &outcome{Seconds: took.Seconds(), Statuses: map[string]int{}}
	times := []time.Duration{}
	for _, w := range workers {
		times = append(times, w.times...)
		result.Unequal += w.unequal
		for code, count := range w.statuses {
			result.Statuses[code] += count
		}
	}
	slices.Sort(times)
	result.Calls = len(times)
	if len(times) > 0 {
		result.P50 = float64(times[len(times)/2].Microseconds())
		result.P99 = float64(times[len(times)*99/100].Microseconds())
	}
	return result
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var o order
		err := json.Unmarshal(lines.Bytes(), &o)
		var result *outcome
		if err == nil {
			result, err = carryOut(o)
		}
		if err == nil {
			err = answers.Encode(result)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
