// A site with net/http: what tests ask of a Go app.
package main

import (
	"bufio"
	"crypto/x509"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

//go:embed page.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// The ticks of a goroutine that nobody waits for.
var ticks atomic.Int64

// The requests that this instance has answered.
var served atomic.Int64

func main() {
	if os.Getenv("TICKS") != "" {
		go func() {
			for range time.Tick(5 * time.Millisecond) {
				ticks.Add(1)
			}
		}()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		page.Execute(w, map[string]any{"Name": r.FormValue("name"), "Served": served.Load()})
	})
	mux.HandleFunc("/served", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, served.Load()) })
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/json", func(w http.ResponseWriter, r *http.Request) {
		var value map[string]any
		if err := json.NewDecoder(r.Body).Decode(&value); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		value["method"], value["host"], value["proto"] = r.Method, r.Host, r.Proto
		host, port, err := net.SplitHostPort(r.RemoteAddr)
		value["client"] = []any{net.ParseIP(host) != nil, port, err == nil}
		value["server"] = fmt.Sprint(r.Context().Value(http.LocalAddrContextKey))
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(value)
	})
	mux.HandleFunc("/stream", stream)
	mux.HandleFunc("/panic", func(w http.ResponseWriter, r *http.Request) { panic("nothing of panic") })
	mux.HandleFunc("/late-panic", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic("no more of late-panic")
	})
	mux.HandleFunc("/exit", func(w http.ResponseWriter, r *http.Request) { os.Exit(4) })
	mux.HandleFunc("/sleep", func(w http.ResponseWriter, r *http.Request) {
		before := ticks.Load()
		ms, _ := strconv.Atoi(r.FormValue("ms"))
		begin := time.Now()
		time.Sleep(time.Duration(ms) * time.Millisecond)
		fmt.Fprint(w, time.Since(begin) >= time.Duration(ms)*time.Millisecond, " ", ticks.Load() > before)
	})
	mux.HandleFunc("/parallel", parallel)
	mux.HandleFunc("/hangs", func(w http.ResponseWriter, r *http.Request) {
		log.Print("hangs")
		<-r.Context().Done()
		log.Print("gave up: ", r.Context().Err())
	})
	mux.HandleFunc("/hijack", hijack)
	mux.HandleFunc("/files", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, os.WriteFile("tmp/x", []byte("kept"), 0o600), os.WriteFile("static/x", nil, 0o600))
		text, err := os.ReadFile("/tmp/x")
		fmt.Fprintln(w, string(text), err)
		names, err := os.ReadDir("static")
		fmt.Fprintln(w, names, err)
	})
	mux.HandleFunc("/dials", dials)
	mux.HandleFunc("/listens", listens)
	mux.HandleFunc("/fetch", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, fetch(r.FormValue("url"))) })
	mux.HandleFunc("/announces", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "1234") })
	mux.Handle("/static/", http.FileServer(http.Dir(".")))
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		mux.ServeHTTP(w, r)
	})
	log.SetFlags(0)
	listener, err := net.Listen("tcp", ":"+os.Getenv("PORT"))
	if err != nil {
		log.Fatal(err)
	}
	log.Print("listens at ", listener.Addr())
	log.Fatal(http.Serve(listener, counted))
}

// echo sends the body back while it arrives.
func echo(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).EnableFullDuplex()
	w.Header().Set("Content-Type", "application/octet-stream")
	io.Copy(w, r.Body)
}

// stream writes lines. Each is sent before a byte comes from the address that the request names, and the next after it.
func stream(w http.ResponseWriter, r *http.Request) {
	gate, err := net.Dial("tcp", r.FormValue("gate"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer gate.Close()
	for line := range 5 {
		fmt.Fprintln(w, "line", line)
		w.(http.Flusher).Flush()
		if _, err := gate.Read(make([]byte, 1)); err != nil {
			return
		}
	}
}

// parallel has goroutines work for one request, connected by channels and a deadline.
func parallel(w http.ResponseWriter, r *http.Request) {
	results := make(chan int)
	for n := range 100 {
		go func() {
			time.Sleep(time.Duration(n%7) * time.Millisecond)
			results <- n
		}()
	}
	sum := 0
	for range 100 {
		sum += <-results
	}
	select {
	case <-results:
	case <-time.After(2 * time.Millisecond):
		fmt.Fprint(w, sum)
	}
}

// hijack takes the connection over and speaks another protocol on it.
func hijack(w http.ResponseWriter, r *http.Request) {
	connection, buffer, err := http.NewResponseController(w).Hijack()
	if err != nil {
		log.Print(err)
		return
	}
	defer connection.Close()
	io.WriteString(buffer, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
	buffer.Flush()
	for {
		line, err := buffer.ReadString('\n')
		if err != nil {
			log.Print("the tunnel ended: ", err)
			return
		}
		io.WriteString(buffer, "got "+line)
		buffer.Flush()
	}
}

// listens tries to listen at other addresses than the site's own.
func listens(w http.ResponseWriter, r *http.Request) {
	_, err := net.Listen("tcp", ":8080")
	fmt.Fprintln(w, err)
	_, err = net.Listen("tcp", ":"+os.Getenv("PORT"))
	fmt.Fprintln(w, err)
	// Tests of an app make such servers.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "pong") }))
	defer server.Close()
	fmt.Fprintln(w, "in process:", fetch(server.URL))
}

// fetch gives the body of a page, or the error.
func fetch(url string) string {
	client := http.Client{Timeout: 5 * time.Second}
	reply, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// dials opens connections to the address that the request names, and looks names up.
func dials(w http.ResponseWriter, r *http.Request) {
	address := r.FormValue("address")
	connection, err := net.Dial("tcp", address)
	if err != nil {
		fmt.Fprintln(w, err)
		return
	}
	defer connection.Close()
	sent := strings.Repeat("0123456789abcdef", 50_000)
	go io.WriteString(connection, sent+"\n")
	line, err := bufio.NewReader(connection).ReadString('\n')
	fmt.Fprintln(w, line == sent+"\n", err, connection.RemoteAddr())
	found, err := net.LookupHost("localhost")
	fmt.Fprintln(w, found, err)
	_, err = net.LookupHost("no such name")
	fmt.Fprintln(w, err)
	connection.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, err = connection.Read(make([]byte, 1))
	fmt.Fprintln(w, errors.Is(err, os.ErrDeadlineExceeded))
	roots, err := x509.SystemCertPool()
	fmt.Fprintln(w, roots != nil && !roots.Equal(x509.NewCertPool()), err)
	_, err = net.Dial("udp", address)
	fmt.Fprintln(w, err)
}
