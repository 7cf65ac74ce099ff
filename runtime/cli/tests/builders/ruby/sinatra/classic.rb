# Sinatra's classic form, started as a program. Its views are in this file.

require "json"
require "sinatra"

enable :sessions, :inline_templates
set :session_secret, "0123456789abcdef" * 4

helpers do
  def h(text)
    Rack::Utils.escape_html(text)
  end
end

before("/closed/*") { halt 403, "closed\n" }

get "/" do
  session["visits"] = session.fetch("visits", 0) + 1
  @name = params.fetch("name", "nobody")
  erb :index
end

get "/halts" do
  halt 418, { "x-a" => "b" }, "a teapot\n"
end

get "/closed/door" do
  "never"
end

get "/passes/*" do
  pass unless params["splat"] == ["one"]
  "first\n"
end

get "/passes/:name" do |name|
  "second #{name}\n"
end

get "/from" do
  redirect to("/to?a=b"), 303
end

get "/to" do
  logger.info "came to #{request.url}"
  content_type :json
  JSON.generate(a: params["a"], url: url("/x"), secure: request.secure?)
end

post "/json" do
  content_type :json
  JSON.generate(received: JSON.parse(request.body.read))
end

post "/form" do
  "#{params["text"]} #{params.dig("file", "filename")} #{params.dig("file", "tempfile")&.read&.bytesize}\n"
end

get "/streams" do
  stream do |out|
    out << "one\n"
    out << "two\n"
  end
end

get "/cached" do
  etag "first"
  "kept\n"
end

get "/file" do
  send_file "public/style.css"
end

get "/raises" do
  raise "nothing of raises"
end

error KeyError do
  [422, "no such key: #{env["sinatra.error"].key}\n"]
end

get "/key" do
  {}.fetch(:colour)
  "never"
end

not_found do
  erb :nothing
end

__END__

@@ layout
<!doctype html>
<title>Classic</title>
<%= yield %>

@@ index
<p>Hello <%= h @name %>, visit <%= session["visits"] %>, by <%= ENV["DYNO"] %> in <%= settings.environment %>

@@ nothing
<p>There is nothing at <%= h request.path_info %>
