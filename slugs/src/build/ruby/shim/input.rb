# Owns `rack.input`: the body of a request as a stream. What was read is kept, so that it can be read again.

module Dyno
  class Input
    def initialize
      @data = "".b
      @position = 0
      @is_complete = false
    end

    def read(length = nil, buffer = nil)
      if length
        raise ArgumentError, "negative length #{length} given" if length.negative?

        nil while @data.bytesize - @position < length && receive
        part = @data.byteslice(@position, length)
        part = nil if part.empty? && length.positive?
      else
        nil while receive
        part = @data.byteslice(@position..)
      end
      @position += part.bytesize if part
      return part unless buffer

      buffer.replace(part || "")
      part && buffer
    end

    def readpartial(length, buffer = nil)
      receive if @position == @data.bytesize
      read([length, @data.bytesize - @position].min.clamp(1..), buffer) or raise(EOFError, "end of file reached")
    end

    def gets(separator = $/, limit = nil, chomp: false)
      separator, limit = $/, separator if separator.is_a?(Integer)
      return read(limit) if separator.nil?

      searched = @position
      until (found = @data.byteindex(separator, searched))
        searched = [@data.bytesize - separator.bytesize + 1, @position].max
        break unless receive
      end
      stop = found ? found + separator.bytesize : @data.bytesize
      stop = [stop, @position + limit].min if limit
      return nil if stop == @position

      line = @data.byteslice(@position...stop)
      @position = stop
      chomp ? line.chomp(separator) : line
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
      @data.bytesize
    end
    alias length size

    def eof? = @position == @data.bytesize && !receive
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
      part ? @data << part : @is_complete = true
      !@is_complete
    end
  end
end
