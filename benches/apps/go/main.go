// What the scenario `languages` asks of Go: this very source on a dyno, and as a native program.
package main

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
)

type row struct {
	ID    int
	Name  string
	Price int
	Odd   bool
}

type item struct {
	ID    int     `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
	Done  bool    `json:"done"`
}

var pages = template.Must(template.ParseGlob("templates/*.html"))

func rows() []row {
	var all []row
	for id := 1; id <= 20; id++ {
		all = append(all, row{id, fmt.Sprintf("Tea & <biscuits> no. %d", id), id * 3, id%2 == 1})
	}
	return all
}

func change(w http.ResponseWriter, r *http.Request) {
	var items []item
	if err := json.NewDecoder(r.Body).Decode(&items); err != nil {
		http.Error(w, "send JSON", http.StatusBadRequest)
		return
	}
	for at := range items {
		items[at].Done = true
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(items)
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func main() {
	mux := http.NewServeMux()
	all := rows()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "Hello, world!\n")
	})
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) {
		data := map[string]any{"Title": "Rows & columns", "Rows": all}
		if err := pages.ExecuteTemplate(w, "page.html", data); err != nil {
			log.Print(err)
		}
	})
	mux.HandleFunc("POST /json", change)
	mux.HandleFunc("GET /fib", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, fib(n))
	})
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), mux))
}
