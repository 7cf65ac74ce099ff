# Notes in a JSON file, the newest first. A dyno begins with those of `first-notes.json`.

require "json"
require "securerandom"
require "time"

class Notes
  class Invalid < StandardError; end

  FIRST = File.expand_path("../first-notes.json", __dir__)
  NOTES_MAX = 100
  TEXT_MAX = 1_000

  # The notes of the app's own file. Raises Invalid if one cannot be shown.
  def self.first
    JSON.parse(File.read(FIRST)).map { |text| note(text) }
  end

  def self.note(text)
    text = text.to_s.strip
    raise Invalid, "Please write something." if text.empty?
    raise Invalid, "A note has at most #{TEXT_MAX} characters." if text.length > TEXT_MAX

    { "id" => SecureRandom.hex(8), "text" => text, "at" => Time.now.utc.iso8601 }
  end

  def initialize(file)
    @file = file
  end

  def all
    save(Notes.first) unless File.file?(@file)
    JSON.parse(File.read(@file))
  end

  def add(text)
    save([Notes.note(text), *all].first(NOTES_MAX))
  end

  # Whether there was such a note.
  def delete(id)
    before = all
    after = before.reject { |note| note["id"] == id }
    save(after)
    after.size < before.size
  end

  private

  def save(notes)
    File.write(@file, JSON.generate(notes))
  end
end
