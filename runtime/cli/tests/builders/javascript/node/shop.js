const express = require('express')
const path = require('path')
const cookieParser = require('cookie-parser')
const session = require('express-session')

const app = express()
app.use(express.static(path.join(__dirname, 'public')))
app.use(express.json())
app.use(express.urlencoded({ extended: true }))
app.use(cookieParser('secret'))
app.use(session({ secret: 'secret', resave: false, saveUninitialized: false }))
app.set('views', path.join(__dirname, 'views'))
app.set('view engine', 'ejs')

app.get('/', (req, res) => res.render('pages/index', { title: 'Shop', items: ['tea', '<b>'] }))
app.get('/facts', (req, res) => res.json({ query: req.query, host: req.hostname, ip: req.ip, secure: req.secure }))
app.post('/echo', (req, res) => res.json(req.body))
app.get('/cookies', (req, res) => {
  res.cookie('plain', 'a b').cookie('signed', 'v', { signed: true, httpOnly: true })
  res.json({ plain: req.cookies, signed: req.signedCookies })
})
app.get('/count', (req, res) => {
  req.session.count = (req.session.count ?? 0) + 1
  res.send(`count ${req.session.count}`)
})
app.get('/old', (req, res) => res.redirect(301, '/'))
app.get('/file', (req, res) => res.sendFile(path.join(__dirname, 'public', 'logo.txt'), { headers: { 'X-Sent': 'yes' } }))
app.get('/raises', () => { throw new Error('nothing of raises') })
app.get('/rejects', async () => { await null; throw new Error('nothing of rejects') })
app.post('/back', (req, res) => req.pipe(res))
app.use((error, req, res, next) => {
  console.error(error)
  res.status(500).render('pages/failed', { message: error.message })
})

app.listen(process.env.PORT || 3000, () => console.log('the shop is open'))
