# a line
// another
/* several
   lines */
group default { targets = ["a"] } # after
target a { # here
  tags = [
    "x", // one
    /* two */ "y",
    # three
    "z" ,
  ]
  args = { A = "1", B = "2"
    C : "3" }
}
