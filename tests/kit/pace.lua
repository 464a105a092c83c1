function delay()
    return 5
end
