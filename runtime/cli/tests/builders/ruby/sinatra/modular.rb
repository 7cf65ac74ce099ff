# Sinatra's modular form, with its settings, views and static files in folders.

require "json"
require "sinatra/base"
require_relative "lib/shelf"

class Shop < Sinatra::Base
  configure do
    enable :sessions, :logging
    set :session_secret, ENV.fetch("SESSION_SECRET")
    set :root, File.dirname(File.dirname(__FILE__))
  end

  configure(:production) { set :stage, "for all" }
  configure(:development) { set :stage, "for me" }

  get "/" do
    erb :index, locals: { goods: Shelf.goods }
  end

  post "/basket/:name" do
    (session["basket"] ||= []) << params["name"]
    redirect "/basket"
  end

  get "/basket" do
    content_type :json
    session.fetch("basket", []).to_json
  end

  delete "/basket" do
    session.clear
    status 204
  end

  get "/stage" do
    settings.stage
  end

  not_found { "no such shelf\n" }
end
