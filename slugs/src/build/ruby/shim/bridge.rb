# Owns the devices by which Ruby code reaches its host (slugs/ruby/src/devices.rs). Must not know Rack.

module Dyno
  module Bridge
    # Most bytes of the head of a request, and of one part of a body.
    READ_BYTES = 64 * 1024

    @request = File.open("/dev/dyno/request", "r+b")
    @body = File.open("/dev/dyno/body", "r+b")
    @control = File.open("/dev/dyno/control", "r+b")
    [@request, @body, @control].each { |device| device.sync = true }

    # Reads go to these strings, which keep their memory: a new string for each read would leave 64 KiB to the collector.
    @head = String.new(capacity: READ_BYTES, encoding: Encoding::BINARY)
    @part = String.new(capacity: READ_BYTES, encoding: Encoding::BINARY)

    class << self
      # The fields of the request's head: method, target, scheme, authority, then name and value of each header.
      def request_head
        @request.sysread(READ_BYTES, @head)
        return @head.split("\0", -1) if @head.bytesize < READ_BYTES

        read_rest(@request, @head.dup).split("\0", -1)
      end

      # The next part of the request's body, valid until the next call; nil at the end.
      def read_body
        @body.sysread(READ_BYTES, @part)
      rescue EOFError
        nil
      end

      # Starts the response. Each field is text without a zero byte.
      def start_response(fields)
        @request.syswrite(fields.join("\0") << "\0")
      rescue Errno::EINVAL
        raise ArgumentError, "the head of the response is not HTTP: #{fields.inspect[0, 300]}"
      end

      # Sends a part of the body. Raises Errno::EPIPE if the client has left.
      def send(data)
        @body.syswrite(data)
      end

      # Ends the response. Returns a line for the log if the body had another length than announced, else an empty string.
      def finish
        operate("F")
      end

      def break_off
        operate("X")
      end

      def environment
        operate("E").force_encoding(Encoding::UTF_8).split("\0")
      end

      def arguments
        operate("A").force_encoding(Encoding::UTF_8).split("\0", -1)[0...-1]
      end

      # The size of the instance's memory, in pages of 64 KiB. Memory never shrinks.
      def memory_pages
        operate("M").to_i
      end

      def report_load_error(reason)
        operate("L#{reason}")
      end

      def report_exit_code(code)
        operate("Q".b << (code & 0xff).chr)
      end

      # Encrypts, decrypts or derives a key: see slugs/ruby/src/crypto.rs. Raises Errno::EINVAL if that fails.
      def encrypt(operation, *fields)
        message = "C#{operation}".b
        fields.each { |field| message << [field.bytesize].pack("V") << field.b }
        operate(message)
      end

      private

      def operate(message)
        @control.syswrite(message)
        @control.sysread(READ_BYTES, @part)
        @part.bytesize < READ_BYTES ? @part.dup : read_rest(@control, @part.dup)
      rescue EOFError
        "".b
      end

      # Reads a device to its end.
      def read_rest(device, data)
        loop { data << device.sysread(READ_BYTES, @part) }
      rescue EOFError
        data
      end
    end
  end
end
