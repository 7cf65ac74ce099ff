# A Rack app with the paths of the bench guest: the classic one request at a time. PAGES is the folder.
PAGE = File.binread(File.join(ENV.fetch('PAGES'), 'hello'))
BODY = File.binread(File.join(ENV.fetch('PAGES'), 'body'))

def work(rounds)
  state = 2_463_534_242
  rounds.times do
    state ^= (state << 13) & 0xffff_ffff
    state ^= state >> 17
    state ^= (state << 5) & 0xffff_ffff
  end
  state
end

def answer(content)
  [200, { 'Content-Type' => 'text/plain', 'Content-Length' => content.bytesize.to_s }, [content]]
end

run(lambda do |env|
  number = env['QUERY_STRING'].to_s.split('=').last.to_f
  case env['PATH_INFO']
  when '/' then answer(PAGE)
  when '/body' then answer(BODY)
  when '/echo' then answer(env['rack.input'].read)
  when '/cpu' then answer(work(number.to_i).to_s)
  when '/sleep'
    sleep(number / 1000)
    answer("slept\n")
  else [404, { 'Content-Length' => '0' }, []]
  end
end)
