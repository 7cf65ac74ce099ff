# Owns the sending of a Rack response (Rack's specification, "The Response"). Must not know how the app was called.

module Dyno
  module Response
    # Headers that belong to the server (RFC 9110, 7.6.1).
    OF_THE_SERVER = %w[connection keep-alive proxy-connection te trailer transfer-encoding upgrade].to_h { |name| [name, true] }.freeze
    # Parts of a body are collected up to this number of bytes, if they are there at once.
    COLLECTED_BYTES = 64 * 1024

    class << self
      def send_all(status, headers, body, is_head)
        unless body.respond_to?(:each) || body.respond_to?(:call)
          raise TypeError, "the body of a Rack response has `each` or `call`: #{body.inspect[0, 60]}"
        end
        Bridge.start_response(head_fields(status, headers))
        send_body(body) unless is_head
        line = Bridge.finish
        $stderr.puts(line) unless line.empty?
      ensure
        body.close if body.respond_to?(:close)
      end

      private

      def head_fields(status, headers)
        fields = [Integer(status).to_s]
        headers.each do |name, value|
          name = name.to_s.downcase
          next if OF_THE_SERVER[name] || name.start_with?("rack.")
          raise ArgumentError, "a header has a zero byte in its name: #{name.inspect[0, 60]}" if name.include?("\0")

          lines = value.is_a?(Array) ? value : value.to_s.split("\n", -1)
          lines.each { |line| fields << name << checked(name, line.to_s) }
        end
        fields
      end

      # The bytes of a value: values of several encodings go into one message.
      def checked(name, value)
        value = value.b
        return value unless value.match?(/[\0\r\n]/n)

        raise ArgumentError, "the header #{name} has a line break or a zero byte in its value: #{value.inspect[0, 60]}"
      end

      def send_body(body)
        return send_parts(body) if body.is_a?(Array)
        return body.call(Stream.new) unless body.respond_to?(:each)

        body.each { |part| Bridge.send(part) unless part.empty? }
      end

      def send_parts(parts)
        return Bridge.send(parts[0]) if parts.size == 1 && !parts[0].empty?

        collected = "".b
        parts.each do |part|
          collected << part.b
          next if collected.bytesize < COLLECTED_BYTES

          Bridge.send(collected)
          collected.clear
        end
        Bridge.send(collected) unless collected.empty?
      end
    end

    # The stream that a streaming body is called with.
    class Stream
      def write(*parts)
        parts.sum do |part|
          part = part.to_s
          Bridge.send(part) unless part.empty?
          part.bytesize
        end
      end

      def <<(part)
        write(part)
        self
      end

      def flush = self
      def read(*) = nil
      def close(*) = @is_closed = true
      def close_read = nil
      def close_write = nil
      def closed? = @is_closed || false
    end
  end
end
