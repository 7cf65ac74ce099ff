# What the scenario `languages` asks of Ruby: this very source on a dyno, and on thin.

require "json"
require "sinatra/base"

class App < Sinatra::Base
  set :root, __dir__

  ROWS = (1..20).map { |id| { id: id, name: "Tea & <biscuits> no. #{id}", price: id * 3 } }

  get "/hello" do
    content_type "text/plain"
    "Hello, world!\n"
  end

  get "/page" do
    erb :page, locals: { title: "Rows & columns", rows: ROWS }
  end

  post "/json" do
    items = JSON.parse(request.body.read)
    items.each { |item| item["done"] = true }
    content_type :json
    JSON.generate(items)
  end

  get "/fib" do
    content_type "text/plain"
    fib(Integer(params["n"])).to_s
  end

  def fib(n)
    n < 2 ? n : fib(n - 1) + fib(n - 2)
  end
end
