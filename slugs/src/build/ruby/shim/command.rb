# Runs a Ruby command line as `ruby` does: `FILE ARGS`, `-e CODE`, `-r LIBRARY`, `-I FOLDER`, `-v`, or a script on stdin.

module Dyno
  module Command
    class UsageError < StandardError; end

    class << self
      # Runs a command line, and returns its exit code.
      def run(words)
        code = exit_code { start(words) }
        last = exit_code { Exits.run }
        $stdout.flush
        last.zero? ? code : last
      rescue UsageError => error
        $stderr.puts("ruby: #{error.message}")
        1
      end

      private

      def exit_code
        yield
        0
      rescue SystemExit => error
        error.status
      rescue UsageError
        raise
      rescue Exception => error
        Dyno.print_error(error)
        1
      end

      def start(words)
        words = words.dup
        code = []
        while words[0]&.start_with?("-") && words[0] != "-"
          word = words.shift
          break if word == "--"

          return if read_option(word, words, code) == :done
          break if @is_program
        end
        Dyno.begin_process
        Dyno.set_defaults
        libraries.each { |library| require library }
        ARGV.replace(words)
        return evaluate(code.join("\n")) unless code.empty?

        return run_program(ARGV.shift) if @is_program

        file = ARGV.shift
        file.nil? || file == "-" ? evaluate($stdin.read, "-") : run_file(file)
      end

      # `-S NAME`: a program of a gem. `bundle exec` before a command line changes nothing, since the gems are chosen.
      def run_program(name)
        if name == "bundle"
          raise UsageError, "a dyno has only `bundle exec`: gems are installed while building" unless ARGV.shift == "exec"

          name = ARGV.shift or raise(UsageError, "`bundle exec` needs a command")
          return run_line(ARGV.dup) if name == "ruby"
          return run_file(name) if name.end_with?(".rb")
        end
        file = Gems.program(name) or raise(UsageError, "no gem of the app has a program `#{name}`")
        $PROGRAM_NAME = name
        Kernel.load(file)
      end

      def run_line(words)
        @is_program = false
        start(words)
      end

      def libraries = @libraries ||= []

      def read_option(word, words, code)
        case word
        when "-v", "--version" then puts(RUBY_DESCRIPTION) || (words.empty? && code.empty? ? :done : nil)
        when "-e" then code << argument(word, words)
        when /\A-e(.+)/ then code << $1
        when "-r" then libraries << argument(word, words)
        when /\A-r(.+)/ then libraries << $1
        when "-I" then $LOAD_PATH.unshift(File.expand_path(argument(word, words)))
        when /\A-I(.+)/ then $LOAD_PATH.unshift(File.expand_path($1))
        when "-S" then @is_program = true
        when "-w", "-W", "-W2" then $VERBOSE = true
        when "-W0" then $VERBOSE = nil
        when "-W1", "-d", "--yjit", "--jit", "--disable-gems" then nil
        else raise UsageError, "invalid option #{word}  (a dyno's Ruby reads -e, -r, -I, -v, -w and -W)"
        end
      end

      def argument(word, words)
        words.shift or raise(UsageError, "no argument given for #{word}")
      end

      def evaluate(code, name = "-e")
        $PROGRAM_NAME = name
        TOPLEVEL_BINDING.eval(code, name, 1)
      end

      def run_file(path)
        whole = File.expand_path(path)
        raise UsageError, "No such file or directory -- #{path} (LoadError)" unless File.file?(whole)

        $PROGRAM_NAME = whole # equal to `__FILE__` in the program
        Kernel.load(whole)
      end
    end
  end

  # `at_exit`: the interpreter itself never ends, so that its own blocks would never run.
  module Exits
    @blocks = []

    class << self
      def add(block)
        @blocks << block
        block
      end

      def forget
        @blocks.clear
      end

      def run
        while (block = @blocks.pop)
          block.call
        end
      end
    end
  end

  # Called by the host for a program: a one-off dyno, or a process type other than `web`.
  def self.run
    Bridge.report_exit_code(Command.run(Bridge.arguments.drop(1)))
  end
end

module Kernel
  def at_exit(&block) = Dyno::Exits.add(block)

  # Ends the program without its exit blocks. In a request, `exit!` ends the request, as `exit` does.
  def exit!(status = false)
    Dyno::Exits.forget
    exit(status)
  end
  private :at_exit, :exit!
end

class << Process
  def exit!(status = false) = Kernel.instance_method(:exit!).bind_call(self, status)
end
