# Owns `rack.input`: the body of a request as a stream. What was read is kept, so that it can be read again: in memory, and from
# a certain size on in a file.

module Dyno
  class Input
    # A body of more bytes is kept in a file in ./tmp.
    MEMORY_BYTES = 256 * 1024
    # Bytes that are searched for the end of a line at a time.
    SEARCHED_BYTES = 16 * 1024
    FILE = "/tmp/.dyno-request-body"

    def initialize
      @data = "".b
      @size = 0
      @position = 0
      @is_complete = false
    end

    def read(length = nil, buffer = nil)
      raise ArgumentError, "negative length #{length} given" if length&.negative?

      nil while (length.nil? || @size - @position < length) && receive
      part = kept(@position, length || (@size - @position))
      part = nil if length&.positive? && part.empty?
      @position += part.bytesize if part
      return part unless buffer

      buffer.replace(part || "")
      part && buffer
    end

    def readpartial(length, buffer = nil)
      receive if @position == @size
      read([length, @size - @position].min.clamp(1..), buffer) or raise(EOFError, "end of file reached")
    end

    def gets(separator = $/, limit = nil, chomp: false)
      separator, limit = $/, separator if separator.is_a?(Integer)
      return read if separator.nil? && limit.nil?

      stop = separator ? line_end(separator) : @position + limit
      nil while @size < stop && receive
      stop = [stop, @position + limit].min if limit
      line = read(stop - @position) if stop > @position
      line && chomp && separator ? line.chomp(separator) : line
    end

    def each
      while (line = gets)
        yield line
      end
      self
    end
    alias each_line each

    def getbyte = read(1)&.ord
    def getc = read(1)

    def rewind
      @position = 0
    end

    def pos = @position
    alias tell pos

    def seek(offset, whence = IO::SEEK_SET)
      base = { IO::SEEK_SET => 0, IO::SEEK_CUR => @position }.fetch(whence) { size }
      @position = (base + offset).clamp(0, size)
      0
    end

    def size
      nil while receive
      @size
    end
    alias length size

    # Gives the body up: nothing can be read any more.
    def discard
      @file&.close
      @file = nil
      @data = "".b
      @size = @position = 0
      @is_complete = true
    end

    def eof? = @position == @size && !receive
    def close = nil
    def closed? = false
    def close_read = nil
    def close_write = nil
    def binmode = self
    def set_encoding(*) = self
    def external_encoding = Encoding::BINARY
    def internal_encoding = nil
    def sync = true
    def fileno = nil
    def isatty = false
    alias tty? isatty

    private

    # Receives the next part; false at the end.
    def receive
      return false if @is_complete

      part = Bridge.read_body
      part ? keep(part) : @is_complete = true
      !@is_complete
    end

    def keep(part)
      move_to_file if @file.nil? && @size + part.bytesize > MEMORY_BYTES
      @file ? write_to_file(part, @size) : @data << part
      @size += part.bytesize
    end

    def move_to_file
      @file = File.open(FILE, "w+b")
      File.unlink(FILE)
      write_to_file(@data, 0)
      @data = nil
    end

    # The system may write less than it is given, and read less than is asked for.
    def write_to_file(data, position)
      written = 0
      written += @file.pwrite(data.byteslice(written..), position + written) while written < data.bytesize
    end

    def read_from_file(length, position)
      data = @file.pread(length, position)
      data << @file.pread(length - data.bytesize, position + data.bytesize) while data.bytesize < length
      data
    end

    def kept(position, length)
      length = [length, @size - position].min
      return "".b unless length.positive?

      @file ? read_from_file(length, position) : @data.byteslice(position, length)
    end

    # The position behind the next separator, or the end of the body.
    def line_end(separator)
      from = @position
      loop do
        nil while @size - from < SEARCHED_BYTES && receive
        window = kept(from, SEARCHED_BYTES)
        found = window.index(separator.b)
        return from + found + separator.bytesize if found

        step = window.bytesize - separator.bytesize + 1
        return @size if step <= 0 || (@is_complete && from + window.bytesize >= @size)

        from += step
      end
    end
  end
end
