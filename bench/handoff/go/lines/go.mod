module example.test/lines

go 1.24
