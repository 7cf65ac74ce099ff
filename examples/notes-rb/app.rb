# Notes: a page with a form, and the same as JSON. Each dyno keeps its notes in ./tmp.

require "json"
require "sinatra/base"
require_relative "lib/notes"

class App < Sinatra::Base
  set :root, __dir__
  set :notes, Notes.new("tmp/notes.json")

  helpers do
    # ERB writes text as it is: what a reader wrote must become text in the page, never markup.
    def h(text) = Rack::Utils.escape_html(text)

    def notes = settings.notes
  end

  get "/" do
    erb :index, locals: { problem: nil, text: "" }
  end

  post "/notes" do
    notes.add(params["text"])
    redirect to("/"), 303
  rescue Notes::Invalid => error
    status 422
    erb :index, locals: { problem: error.message, text: params["text"].to_s }
  end

  post "/notes/:id/delete" do |id|
    notes.delete(id) or halt 404, erb(:nothing)
    redirect to("/"), 303
  end

  get "/notes.json" do
    content_type :json
    JSON.generate(notes: notes.all)
  end

  not_found { erb :nothing }
end
